import type { ApiError } from '../src/installer-api.ts';

/** A refusal of the server, or a server that does not answer. */
export class RequestError extends Error {
  constructor(
    readonly status: number,
    readonly problem: ApiError,
  ) {
    super(problem.message);
  }
}

/**
 * Calls the server.
 * @throws RequestError with status 0 where there was no answer
 */
export async function call<Result>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Result> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
  } catch {
    throw new RequestError(0, {
      code: 'NO_ANSWER',
      message: 'The machine does not answer',
      hint: 'It may be restarting, or the network between it and this browser is interrupted',
    });
  }
  const text = await response.text();
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as Result;
  let problem: ApiError = { code: 'FAILED', message: `The machine answered ${response.status}` };
  try {
    problem = (JSON.parse(text) as { error: ApiError }).error ?? problem;
  } catch {
    // Not an answer of the installer itself.
  }
  throw new RequestError(response.status, problem);
}

/** What of anything thrown is shown. */
export function problemOf(error: unknown): ApiError {
  if (error instanceof RequestError) return error.problem;
  return { code: 'FAILED', message: error instanceof Error ? error.message : String(error) };
}
