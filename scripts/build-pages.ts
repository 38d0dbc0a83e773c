/**
 * Builds the pages for browsers: `bun run scripts/build-pages.ts`. Each becomes one HTML document with script and style
 * in it, which the executable carries. Svelte's compiler is called by a plug-in of Bun's bundler.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { compile } from 'svelte/compiler';
import { root } from './runtimes.ts';

const folder = join(root, 'packages/pages');

/** The bundler's view of `.svelte` files. Their styles are collected, since a page may run no style of a script. */
function sveltePlugin(styles: Map<string, string>): Bun.BunPlugin {
  return {
    name: 'svelte',
    setup(build) {
      build.onLoad({ filter: /\.svelte$/ }, ({ path }) => {
        const { js, css, warnings } = compile(readFileSync(path, 'utf8'), {
          filename: relative(root, path),
          generate: 'client',
          css: 'external',
          dev: false,
        });
        if (warnings.length > 0) throw new Error(warnings.map((one) => one.toString()).join('\n'));
        if (css) styles.set(path, css.code);
        return { contents: js.code, loader: 'js' };
      });
      // No page defines custom elements, and what would define them is kept because it looks at the browser first.
      build.onLoad({ filter: /client\/dom\/elements\/custom-element\.js$/ }, () => ({
        contents:
          'export function create_custom_element() { throw new Error("custom elements are left out"); }',
        loader: 'js',
      }));
      // The bundler does not carry constants from one module to another, so that it would keep what is for development.
      build.onLoad({ filter: /node_modules\/svelte\/src\/.*\.js$/ }, ({ path }) => ({
        contents: readFileSync(path, 'utf8').replace(
          /^import \{ (.*) \} from 'esm-env';$/m,
          (_, names: string) =>
            names
              .split(', ')
              .map((imported) => `const ${imported} = ${imported === 'BROWSER'};`)
              .join(' '),
        ),
        loader: 'js',
      }));
    },
  };
}

/** Small enough a minifier for our own style: no strings with blanks, no comments that matter. */
function minifiedStyle(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/ ?([{};,]) ?/g, '$1')
    .replaceAll(': ', ':')
    .replaceAll(';}', '}')
    .trim();
}

/** Builds one page from `<name>/page.html`, `<name>/main.ts` and `<name>/style.css`; gives the path of the document. */
export async function buildPage(name: string): Promise<string> {
  const styles = new Map<string, string>();
  const result = await Bun.build({
    entrypoints: [join(folder, name, 'main.ts')],
    target: 'browser',
    minify: true,
    conditions: ['svelte', 'browser', 'production'],
    define: { 'process.env.NODE_ENV': '"production"' },
    // What Svelte says to developers. Errors are thrown all the same.
    drop: ['console'],
    plugins: [sveltePlugin(styles)],
  });
  const [output] = result.outputs;
  if (!output) throw new Error(`the page ${name} has no script`);
  const script = await output.text();
  if (/<\/?script/i.test(script)) throw new Error(`the script of ${name} would end its own element`);
  const sorted = [...styles].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  const style = minifiedStyle([readFileSync(join(folder, name, 'style.css'), 'utf8'), ...sorted].join('\n'));
  // Functions: a replacement text would have `$&` of the script filled in.
  const page = readFileSync(join(folder, name, 'page.html'), 'utf8')
    .replace('<!-- style -->', () => `<style>${style}</style>`)
    .replace('<!-- script -->', () => `<script type="module">${script.trim()}</script>`);
  mkdirSync(join(folder, 'dist'), { recursive: true });
  const path = join(folder, 'dist', `${name}.html`);
  writeFileSync(`${path}.new`, page);
  renameSync(`${path}.new`, path);
  return path;
}

export const pages = ['installer'] as const;

if (import.meta.main) {
  for (const name of pages) {
    const path = await buildPage(name);
    console.log(`${relative(root, path)}  ${(Bun.file(path).size / 1000).toFixed(1)} kB`);
  }
}
