import { posix } from 'node:path';
import { type TemplateFunction, takes } from '../function.ts';

/** The shortest equivalent path, without a slash at its end. */
function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

function base(path: string): string {
  if (path === '') return '.';
  const stripped = path.replace(/\/+$/, '');
  return stripped === '' ? '/' : stripped.slice(stripped.lastIndexOf('/') + 1);
}

/** From the last dot of the last element on; unlike node's, also of `.profile`. */
function extension(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot < 0 ? '' : name.slice(dot);
}

const cleanFunction = takes(['string'], (_, path) => clean(path));
const baseFunction = takes(['string'], (_, path) => base(path));
const dirFunction = takes(['string'], (_, path) => clean(path.slice(0, path.lastIndexOf('/') + 1)));
const extFunction = takes(['string'], (_, path) => extension(path));
const isAbsFunction = takes(['string'], (_, path) => path.startsWith('/'));

/** Paths as text; nothing looks at the disk. Nodes run Linux, so `os…` are the same. */
export const pathFunctions: Readonly<Record<string, TemplateFunction>> = {
  base: baseFunction,
  clean: cleanFunction,
  dir: dirFunction,
  ext: extFunction,
  isAbs: isAbsFunction,
  osBase: baseFunction,
  osClean: cleanFunction,
  osDir: dirFunction,
  osExt: extFunction,
  osIsAbs: isAbsFunction,
};
