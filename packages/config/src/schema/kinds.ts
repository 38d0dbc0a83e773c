import { z } from 'zod';

/** Kinds of values that recur. The field writes empty keys (`groups:`) for "nothing", so most may be null. */
export const text = z.string().nullish();
export const flag = z.boolean().nullish();
export const count = z.int().nonnegative().nullish();
export const texts = z.array(z.string().nullable()).nullish();
/** Numbers and booleans are written without quotes where a text is meant. */
export const looseText = z.union([z.string(), z.number(), z.boolean()]).nullish();
export const textMap = z.record(z.string(), looseText).nullish();

/** Permission bits: `0644`, `0o644` or `"0644"`. */
export const permissions = z
  .union([
    z.int().nonnegative(),
    z.string().regex(/^(0o?)?[0-7]{3,4}$/, 'expected an octal mode such as 0644'),
  ])
  .nullish();
/** A user or group: number or name. */
export const owner = z.union([z.int().nonnegative(), z.string()]).nullish();

/** Where an image comes from: `oci:`, `docker:`, `dir:`, `file:`, `ocifile:`, or an image reference. */
export const sourceUri = z.string().nullish();

/** MiB. */
export const mebibytes = z
  .union([z.int().nonnegative(), z.string().regex(/^\d+$/, 'expected a number of MiB')])
  .nullish();
