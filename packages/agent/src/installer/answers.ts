import { KairosError } from '@kairos/facts/errors';
import { type AnswerProblem, answerProblems } from '@kairos/pages/answer-rules';
import type { Answers } from '@kairos/pages/installer-api';
import { z } from 'zod';

/** Characters of a cloud-config, and entries of a list. */
const longest = { document: 512 * 1024, list: 64 } as const;

/** The form of answers; what the texts have to be is in the rules that the page has too. */
const answersSchema = z.strictObject({
  disk: z.string().default('auto'),
  erase: z.boolean().default(false),
  user: z
    .strictObject({
      name: z.string(),
      password: z.string().default(''),
      sshKeys: z.array(z.string()).max(longest.list).default([]),
    })
    .optional(),
  hostname: z.string().default(''),
  kubernetes: z
    .strictObject({
      role: z.enum(['none', 'k3s', 'k3s-agent']).default('none'),
      args: z.array(z.string()).max(longest.list).default([]),
      url: z.string().default(''),
      token: z.string().default(''),
    })
    .default({ role: 'none', args: [], url: '', token: '' }),
  cloudConfig: z.string().max(longest.document).default(''),
  after: z.enum(['nothing', 'reboot', 'poweroff']).default('nothing'),
});

function refused(problems: readonly AnswerProblem[]): KairosError {
  const [first] = problems;
  return new KairosError('ANSWERS_INVALID', `${first?.path || 'the answers'}: ${first?.message}`, {
    exit: 'invalidInput',
    details: { problems },
  });
}

/**
 * Reads answers that come from outside.
 * @throws KairosError `ANSWERS_INVALID` with all that is wrong in `details.problems`
 */
export function readAnswers(given: unknown): Answers {
  const { data, error } = answersSchema.safeParse(given);
  if (error) {
    throw refused(error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
  }
  const problems = answerProblems(data);
  if (problems.length > 0) throw refused(problems);
  return data;
}
