import { z } from 'zod';

/** A path of a file or directory inside an image, as a definition or a component names it. */
export const imagePath = z
  .string()
  .startsWith('/', 'expected an absolute path')
  .refine((path) => !path.split('/').includes('..'), 'expected a path without ".."')
  .refine((path) => !/^\/+$/.test(path), 'expected a path below /');
