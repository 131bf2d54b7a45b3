// Loads the bench's Node.js function into a fresh isolate for each request; the network is cut off, as in Mayfly.
import source from "function";

const app = `const exports = {};
${source}
export default { fetch: async (request) => Response.json(await exports.handler(await request.json())) };`;
let loaded = 0;

export default {
  async fetch(request, env) {
    const worker = env.LOADER.get(String(++loaded), () => ({
      compatibilityDate: "2026-01-01", mainModule: "app.js", modules: { "app.js": app }, globalOutbound: null,
    }));
    return worker.getEntrypoint().fetch(request);
  },
};
