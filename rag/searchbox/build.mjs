// Builds dist/searchbox.js from src/, byte for byte the same on every machine, and holds it under its limit.
// `node build.mjs FOLDER` builds into another folder.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "terser";

const LIMIT = 45 * 1024;
const HERE = import.meta.dirname;
const out = join(resolve(process.argv[2] ?? join(HERE, "dist")), "searchbox.js");

/** Style sheets become strings without their white space. */
const styles = {
  name: "styles",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, charset: "utf8" });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/**
 * Leaves out what the box never runs: all of marked but its lexer, and in that the patterns of HTML, which is plain text
 * here; and DOMPurify's own lists of what to allow, as the box brings its list (less is allowed so, never more).
 * A release that looks otherwise is an error.
 */
const trimmed = {
  name: "trimmed",
  setup({ onLoad }) {
    onLoad({ filter: /marked\.esm\.js$/ }, async ({ path }) => {
      let source = await readFile(path, "utf8");
      const exports = ["Lexer", "Tokenizer"].map((name) => source.match(new RegExp(`\\w+ as ${name}\\b`))[0]);
      source = without(source, /var (\w+)=new \w+;function \w+\(\w+,\w+\)\{return \1\.parse\([^]*$/, `export{${exports}};`);
      source = without(source, /"address\|article\|[^"]+\|ul"/, '"(?!)"');
      source = without(source, /"\^ \{0,3\}\(\?:<\(script\|[^"]+"(?=,"i"\))/, '"(?!)"');
      source = without(source, /"\(\?!\(\?:a\|em\|strong\|[^"]+"/, '"(?!)"');
      // The other ways of reading Markdown, of which the box has one.
      source = without(source, /,(\w+)=\{\.\.\.\w+,html:d\(`[^]+?(?=,\w+=\/\^\\\\\(\[!)/, "");
      source = without(source, /,\w+=\{\.\.\.\w+,link:d\(\/\^!\?[^]+?getRegex\(\)\}/, "");
      source = without(source, /(?<=normal:\w+,gfm:\w+),pedantic:\w+/, "");
      source = without(source, /(?<=normal:\w+,gfm:\w+),breaks:\w+,pedantic:\w+/, "");
      for (const [option, value] of Object.entries({ pedantic: "!1", breaks: "!1", gfm: "!0", silent: "!0", extensions: "null" })) {
        source = source.replaceAll(`this.options.${option}`, value);
      }
      return { contents: source };
    });
    onLoad({ filter: /purify\.es\.mjs$/ }, async ({ path }) => {
      let source = await readFile(path, "utf8");
      for (const name of "html$1 html svg$1 svgFilters svgDisallowed svg mathMl$1 mathMlDisallowed mathMl xml".split(" ")) {
        source = without(source, new RegExp(`(?<=^const ${name.replace("$", "\\$")} = freeze\\()\\[[^\\]]*\\]`, "m"), "[]");
      }
      return { contents: withDefaults(source) };
    });
  },
};

/** DOMPurify with every option that `markdown.ts` does not set fixed to its default: what only others need falls away. */
function withDefaults(source) {
  const set = /\b(?!ALLOWED_TAGS|ALLOWED_ATTR\b|ALLOW_DATA_ATTR|ALLOW_ARIA_ATTR|ALLOWED_URI_REGEXP|RETURN_DOM_FRAGMENT)/.source;
  const name = `${set}([A-Z_]+)`;
  source = source.replaceAll(new RegExp(`\\bcfg\\.${name}`, "g"), "undefined");
  source = source.replaceAll(new RegExp(`objectHasOwnProperty\\(cfg, '${name}'\\)`, "g"), "false");
  source = source.replaceAll(new RegExp(`_resolveSetOption\\(cfg, '${name}', ([^,]+), \\{[^}]*\\}\\)`, "g"), "$2");
  return source.replaceAll(/^ *([A-Z_]+) = undefined (\|\| false|!== false);.*$/gm, (_, option, test) => {
    if (!source.includes(`let ${option} = ${test !== "|| false"};`)) throw new Error(`DOMPurify begins otherwise with ${option}`);
    return "";
  });
}

/** The names of the texts are written once, in English. */
const packed = {
  name: "packed",
  setup({ onLoad }) {
    const read = async (path) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "ts", charset: "utf8" });
      return Object.values(await import(`data:text/javascript,${encodeURIComponent(code)}`))[0];
    };
    const listed = (texts, like) =>
      Object.entries(like).flatMap(([name, value]) =>
        typeof value === "string" || "one" in value ? [texts[name]] : listed(texts[name], value),
      );
    onLoad({ filter: /strings\/(ar|de|es)\.ts$/ }, async ({ path }) => {
      const name = basename(path, ".ts");
      const texts = listed(await read(path), await read(join(dirname(path), "en.ts")));
      return { contents: `import { unpacked } from "./packed.js"; export const ${name} = unpacked(${JSON.stringify(texts)});` };
    });
  },
};

function without(source, pattern, rest) {
  if (!pattern.test(source)) throw new Error(`a dependency is written otherwise than build.mjs knows: ${pattern}`);
  return source.replace(pattern, () => rest);
}

/** Lines of templates lose their indentation. */
const dense = {
  name: "dense",
  setup({ onLoad }) {
    onLoad({ filter: /searchbox\/src\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      return { contents: source.replace(/\n\s+/g, "\n").replace(/>\n</g, "><"), loader: "ts" };
    });
  },
};

const { outputFiles } = await build({
  absWorkingDir: HERE,
  entryPoints: ["src/index.ts"],
  bundle: true,
  write: false,
  minifySyntax: true,
  minifyWhitespace: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [styles, packed, dense, trimmed],
});
const { code } = await minify(outputFiles[0].text, {
  module: true,
  ecma: 2020,
  compress: { passes: 3, unsafe_arrows: true, unsafe_methods: true },
  format: { comments: false, ecma: 2020, preamble: "/*! Citebox search box, Apache-2.0. With Lit (BSD-3-Clause), marked (MIT), DOMPurify (Apache-2.0), eventsource-parser (MIT). */" },
});
await mkdir(dirname(out), { recursive: true });
await writeFile(out, `${code}\n`);
const size = gzipSync(await readFile(out), { level: 9 }).length;
console.log(`${out}: ${size} bytes gzipped, of ${LIMIT} allowed`);
if (size > LIMIT) process.exit(1);
