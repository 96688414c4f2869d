// Builds dist/searchbox.js, and a file for each language but English, from src/: byte for byte the same on every
// machine, and held under its limit.
// `node build.mjs FOLDER` builds into another folder.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "terser";

const LIMIT = 45 * 1024;
const HERE = import.meta.dirname;
const PREAMBLE =
  "/*! Citebox search box, Apache-2.0. With Lit (BSD-3-Clause), marked (MIT), DOMPurify (Apache-2.0), eventsource-parser (MIT). */";
const out = resolve(process.argv[2] ?? join(HERE, "dist"));

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
 * Leaves out what the box never uses and a bundler cannot see: all of marked but its lexer, and DOMPurify's lists of what to
 * allow by default, as the box brings its own (less is allowed so, never more). A release that looks otherwise is an error.
 */
const trimmed = {
  name: "trimmed",
  setup({ onLoad }) {
    onLoad({ filter: /marked\.esm\.js$/ }, async ({ path }) => {
      let source = await readFile(path, "utf8");
      const exports = ["Lexer", "Tokenizer"].map((name) => source.match(new RegExp(`\\w+ as ${name}\\b`))[0]);
      source = without(source, /var (\w+)=new \w+;function \w+\(\w+,\w+\)\{return \1\.parse\([^]*$/, `export{${exports}};`);
      // The rules of its other ways of reading Markdown, of which the box has one.
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
      return { contents: source };
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
  entryPoints: { searchbox: "src/index.ts" },
  outdir: out,
  chunkNames: "searchbox.[name]",
  splitting: true,
  bundle: true,
  write: false,
  minifySyntax: true,
  minifyWhitespace: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [styles, dense, trimmed],
});
await mkdir(out, { recursive: true });
for (const { path, text } of outputFiles) {
  const { code } = await minify(text, {
    module: true,
    ecma: 2020,
    compress: { passes: 3, unsafe_arrows: true, unsafe_methods: true },
    format: { comments: false, ecma: 2020, preamble: PREAMBLE },
  });
  await writeFile(path, `${code}\n`);
  const size = gzipSync(await readFile(path), { level: 9 }).length;
  console.log(`${basename(path)}: ${size} bytes gzipped, of ${LIMIT} allowed`);
  if (size > LIMIT) process.exitCode = 1;
}
