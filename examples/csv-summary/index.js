// Summary of a CSV text: for each column its kind and, for numbers, minimum, maximum and mean.
// Runtime: nodejs20.x (any nodejs2x.x); handler: index.handler (CommonJS)
// Event: {"csv": "name,age\nAda,36\n", "separator": ","}

/** Rows of fields; quoted fields may hold separators, line ends and doubled quotes. */
function parse(text, separator) {
  const rows = [[]];
  let field = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted && c === '"' && text[i + 1] === '"') field += text[++i];
    else if (c === '"') quoted = !quoted;
    else if (quoted) field += c;
    else if (c === separator || c === '\n') {
      rows[rows.length - 1].push(field.replace(/\r$/, ''));
      field = '';
      if (c === '\n') rows.push([]);
    } else field += c;
  }
  rows[rows.length - 1].push(field);
  return rows.filter((row) => row.some((value) => value !== ''));
}

function summarise(values) {
  const filled = values.filter((value) => value !== undefined && value !== '');
  const numbers = filled.map(Number);
  if (!filled.length || numbers.some(Number.isNaN)) {
    return { kind: 'text', filled: filled.length, distinct: new Set(filled).size };
  }
  const sum = numbers.reduce((a, b) => a + b, 0);
  const low = numbers.reduce((a, b) => Math.min(a, b));
  const high = numbers.reduce((a, b) => Math.max(a, b));
  return { kind: 'number', filled: numbers.length, min: low, max: high, mean: sum / numbers.length };
}

exports.handler = async (event) => {
  if (typeof event.csv !== 'string') throw new TypeError('the event needs a text "csv"');
  const [names = [], ...rows] = parse(event.csv, event.separator || ',');
  console.log('rows', rows.length, 'columns', names.length);
  const columns = Object.fromEntries(names.map((name, at) => [name, summarise(rows.map((row) => row[at]))]));
  return { rows: rows.length, columns };
};
