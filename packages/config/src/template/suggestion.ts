import { didYouMean } from '@kairos/facts/suggest';
import { limits } from './run.ts';

/** Enough for any data that a person has named. */
const maximumCandidates = 1000;

/** The nearest of the known names. Comparing takes the product of the lengths, so what is long is left out. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > limits.name) return undefined;
  const candidates: string[] = [];
  for (const candidate of known) {
    if (candidates.length === maximumCandidates) break;
    if (candidate.length <= limits.name) candidates.push(candidate);
  }
  return didYouMean(name, candidates);
}
