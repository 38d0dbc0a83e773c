import { embedTexts } from './embed.ts' with { type: 'macro' };

/** The files of `system/` by their path in it: what is laid into images, carried by the executable. */
export const systemFiles: Readonly<Record<string, string>> = embedTexts('system');

/** The files of `flavors/`. */
export const flavorFiles: Readonly<Record<string, string>> = embedTexts('flavors');

/** A file of `system/`, which is there because the program was built with it. */
export function systemFile(path: string): string {
  const text = systemFiles[path];
  if (text === undefined) throw new Error(`system/${path} is not embedded`);
  return text;
}
