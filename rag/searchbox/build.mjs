// Builds dist/searchbox.js from src/, byte for byte the same on every machine, and holds it under its limit.
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMIT = 45 * 1024;
const OUT = new URL("dist/searchbox.js", import.meta.url);

await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: ["src/index.ts"],
  outfile: "dist/searchbox.js",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "eof",
  define: { "process.env.NODE_ENV": '"production"' },
});
const size = gzipSync(await readFile(OUT), { level: 9 }).length;
console.log(`dist/searchbox.js: ${size} bytes gzipped, of ${LIMIT} allowed`);
if (size > LIMIT) process.exit(1);
