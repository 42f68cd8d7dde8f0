// Prints the licences of the packages of which a bundle has something, each text
// once, with the packages and versions that it is of.
const fs = require("fs");
const {inputs} = Object.values(JSON.parse(fs.readFileSync(process.argv[2])).outputs)[0];
const names = new Set();
for (const path of Object.keys(inputs)) {
  const m = path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/);
  if (m) names.add(m[1]);
}
const texts = new Map();
for (const name of [...names].sort()) {
  const dir = `node_modules/${name}`;
  const file = fs.readdirSync(dir).find((f) => /^LICEN[CS]E/i.test(f));
  if (!file) throw new Error(`${name} has no licence`);
  const text = fs.readFileSync(`${dir}/${file}`, "utf8").trim();
  if (text.includes("*/")) throw new Error(`the licence of ${name} ends a comment`);
  const {version} = JSON.parse(fs.readFileSync(`${dir}/package.json`));
  texts.set(text, [...(texts.get(text) ?? []), `${name} ${version}`]);
}
console.log([...texts].map(([text, of]) => `${of.join(", ")}:\n\n${text}\n`).join("\n"));
