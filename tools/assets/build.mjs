// Copies what the browser needs from the installed packages into static/vendor: scripts, the font, a sprite of the icons
// named in icons.txt, each with its licence, and SHA256SUMS over all of it. The same input gives the same bytes.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, '../../static/vendor');
const from = (path) => join(here, 'node_modules', path);

const COPIES = [
  ['htmx.org/dist/htmx.min.js', 'htmx/htmx.min.js'],
  ['htmx.org/dist/ext/hx-sse.min.js', 'htmx/hx-sse.min.js'],
  ['htmx.org/LICENSE', 'htmx/LICENSE'],
  ['@fontsource-variable/inter/files/inter-latin-wght-normal.woff2', 'inter/inter-latin.woff2'],
  ['@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2', 'inter/inter-latin-ext.woff2'],
  ['@fontsource-variable/inter/LICENSE', 'inter/LICENSE'],
  ['lucide-static/LICENSE', 'lucide/LICENSE'],
];

// Only what has a licence that lets us ship it; axe is a tool of the browser tests and lies with them.
const TEST_COPIES = [
  ['axe-core/axe.min.js', 'axe.min.js'],
  ['axe-core/LICENSE', 'LICENSE'],
];

function copy([source, target], root) {
  const to = join(root, target);
  mkdirSync(dirname(to), { recursive: true });
  const text = source.endsWith('.min.js') && readFileSync(from(source), 'utf8');
  // A source map that is not shipped would only make the browser ask for it.
  if (text) writeFileSync(to, text.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n'));
  else copyFileSync(from(source), to);
}

function sprite() {
  const names = readFileSync(join(here, 'icons.txt'), 'utf8').split('\n').map((l) => l.trim()).filter((l) => l && !l.startsWith('#'));
  const symbols = [...new Set(names)].sort().map((name) => {
    const svg = readFileSync(from(`lucide-static/icons/${name}.svg`), 'utf8');
    const body = svg.slice(svg.indexOf('>', svg.indexOf('<svg')) + 1, svg.lastIndexOf('</svg>'));
    const inner = body.replace(/\s+/g, ' ').replace(/> </g, '><').replace(/ \/>/g, '/>').trim();
    return `<symbol id="${name}" viewBox="0 0 24 24">${inner}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg"><!-- lucide, ISC licence, see lucide/LICENSE -->\n${symbols.join('\n')}\n</svg>\n`;
}

function files(folder) {
  return readdirSync(folder).sort().flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
COPIES.forEach((pair) => copy(pair, out));
writeFileSync(join(out, 'icons.svg'), sprite());
const sums = files(out).map((path) => `${createHash('sha256').update(readFileSync(path)).digest('hex')}  ${relative(out, path)}`);
writeFileSync(join(out, 'SHA256SUMS'), sums.join('\n') + '\n');
TEST_COPIES.forEach((pair) => copy(pair, join(here, '../../tests/browser/vendor')));
console.log(`${sums.length} files in ${out}`);
