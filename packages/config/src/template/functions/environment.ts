import { type TemplateFunction, takes } from '../function.ts';

/**
 * The environment of the process is not for templates: what a service was given in it, a cloud-config from elsewhere
 * must not read. Every variable is unset.
 */
export const environmentFunctions: Readonly<Record<string, TemplateFunction>> = {
  env: takes(['string'], () => ''),
  expandenv: takes(['string'], (_, text) =>
    text.replace(/\$(?:\{[^}]*\}|[A-Za-z_][A-Za-z0-9_]*|[0-9*#$@!?-])/g, ''),
  ),
};
