// Parses the diagrams of a JSON list as Mermaid itself does; prints what it says of each (null: nothing).
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.argv[2] + "/"));
const { parseHTML } = await import(pathToFileURL(require.resolve("linkedom")));
// Mermaid cleans texts with a library that wants a document.
const { window } = parseHTML("<!doctype html><html><body></body></html>");
Object.assign(globalThis, { window, document: window.document, Element: window.Element });
const { default: mermaid } = await import(pathToFileURL(require.resolve("mermaid")));

let input = "";
for await (const part of process.stdin) input += part;
const said = [];
for (const text of JSON.parse(input)) {
  said.push(await mermaid.parse(text).then(() => null, (e) => String(e.message ?? e)));
}
console.log(JSON.stringify(said));
