// What a controller's types say it has is what Stimulus makes of its static lists: tsc cannot see that.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const SCRIPTS = new URL("../../frontend/static/js/", import.meta.url);
const CONTROLLERS = readdirSync(SCRIPTS, { recursive: true }).filter((path) => path.endsWith("_controller.js"));

/** The names right inside the braces that open at `at`. */
function keys(text, at) {
  let depth = 0;
  let flat = "";
  for (const sign of text.slice(at)) {
    if ("})>]".includes(sign)) depth -= 1;
    if (depth === 1) flat += sign;
    if ("{(<[".includes(sign)) depth += 1;
    if (depth === 0) break;
  }
  return [...flat.matchAll(/(\w+)\??:/g)].map(([, name]) => name).sort();
}

function typed(text, what) {
  const type = text.slice(text.indexOf("Typed<"), text.indexOf("*/ (Controller)"));
  const at = type.indexOf(`${what}: {`);
  return at < 0 ? [] : keys(type, at + what.length + 2);
}

function made(text, what) {
  const list = new RegExp(`static ${what} = `).exec(text);
  if (!list) return [];
  const at = list.index + list[0].length;
  if (text[at] === "{") return keys(text, at);
  return [...text.slice(at, text.indexOf("]", at)).matchAll(/"(\w+)"/g)].map(([, name]) => name).sort();
}

for (const path of CONTROLLERS) {
  test(`${path} is typed as it is made`, () => {
    const text = readFileSync(new URL(path, SCRIPTS), "utf8");
    for (const what of ["targets", "values", "outlets"]) assert.deepEqual(typed(text, what), made(text, what), what);
  });
}
