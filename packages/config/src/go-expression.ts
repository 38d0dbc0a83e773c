/** A regular expression that is looked for in a text. */
export interface GoExpression {
  /** Whether it is found anywhere in the text. */
  test(text: string): boolean;
}

/** Means the same to JavaScript, which takes no long time for it: no groups, and two repetitions at most. */
const plain = /^(?:[\w ,:/^$|.-]|\\\.)*(?:[*+?](?:[\w ,:/^$|.-]|\\\.)*){0,2}$/;

const maximumPattern = 10_000;

/**
 * Compiles a regular expression as Go has it (RE2): its flags, classes and names of groups; no lookaround and no
 * backreferences. No pattern makes it exponential.
 * @throws Error for what is none
 */
export function goExpression(pattern: string): GoExpression {
  if (pattern.length > maximumPattern) throw new Error(`it has more than ${maximumPattern} characters`);
  if (plain.test(pattern)) return new RegExp(pattern);
  // The engine is large; nearly all patterns of cloud-configs do without it.
  const { RE2JS } = require('re2js') as typeof import('re2js');
  const expression = RE2JS.compile(pattern);
  return { test: (text) => expression.matcher(text).find() };
}
