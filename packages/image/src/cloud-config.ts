import { mergeDocuments, readDocument } from '@kairos/config/collect';
import { hasErrors, type Problem, sortProblems } from '@kairos/config/problem';
import { validate } from '@kairos/config/validate';
import { KairosError } from '@kairos/facts/errors';

/**
 * Refuses a cloud-config that no node could read: in an image, every node would find out at every boot. Gives what is
 * doubtful about it, such as a key that nobody knows, as texts with file, line and column.
 * @throws KairosError `CLOUD_CONFIG_INVALID` (exit `invalidInput`), with every error in the message
 */
export function checkCloudConfig(text: string, file: string): string[] {
  const { documents, problems: reading } = readDocument(text, file, { headerNeeded: false });
  const merged = mergeDocuments(documents);
  const problems = sortProblems([...reading, ...merged.problems, ...validate(merged.tree)]);
  if (!hasErrors(problems)) return problems.map(inOneLine);
  const errors = problems.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  throw new KairosError('CLOUD_CONFIG_INVALID', errors.map(inOneLine).join('\n'), {
    exit: 'invalidInput',
    ...(first === undefined ? {} : { position: first.position }),
    ...(first?.hint === undefined ? {} : { hint: first.hint }),
  });
}

function inOneLine({ position: { file, line, column }, message, hint }: Problem): string {
  return `${file}:${line}:${column}: ${message}${hint === undefined ? '' : ` (${hint})`}`;
}
