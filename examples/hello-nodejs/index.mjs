// Hello from Node.js, as an ES module.
// Runtime: nodejs20.x (any nodejs2x.x); handler: index.handler
// Event: {"name": "..."}

export const handler = async (event, context) => {
  const name = event.name || 'world';
  console.log('greeting', name);
  return { message: `Hello, ${name}!`, remaining_ms: context.getRemainingTimeInMillis() };
};
