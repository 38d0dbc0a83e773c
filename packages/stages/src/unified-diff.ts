/** More lines than this on both sides are not compared line by line. */
const maximumCells = 4_000_000;

type Edit = { readonly kind: ' ' | '-' | '+'; readonly line: string };

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** The longest common subsequence of lines, by a table; equal ends are cut off before. */
function edits(before: readonly string[], after: readonly string[]): Edit[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (
    end < before.length - start &&
    end < after.length - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  ) {
    end++;
  }
  const a = before.slice(start, before.length - end);
  const b = after.slice(start, after.length - end);
  const middle: Edit[] = [];
  if (a.length * b.length > maximumCells) {
    middle.push(
      ...a.map((line) => ({ kind: '-' as const, line })),
      ...b.map((line) => ({ kind: '+' as const, line })),
    );
  } else {
    const width = b.length + 1;
    const table = new Uint32Array((a.length + 1) * width);
    const at = (i: number, j: number) => table[i * width + j] ?? 0;
    for (let i = a.length - 1; i >= 0; i--) {
      for (let j = b.length - 1; j >= 0; j--) {
        table[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
      }
    }
    let i = 0;
    let j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        middle.push({ kind: ' ', line: a[i] ?? '' });
        i++;
        j++;
      } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
        middle.push({ kind: '-', line: a[i++] ?? '' });
      } else {
        middle.push({ kind: '+', line: b[j++] ?? '' });
      }
    }
  }
  const same = (line: string): Edit => ({ kind: ' ', line });
  return [...before.slice(0, start).map(same), ...middle, ...before.slice(before.length - end).map(same)];
}

/**
 * The difference of two texts in the unified format, with three lines of context; `''` where there is none.
 * `undefined` stands for a file that is not there.
 */
export function unifiedDiff(path: string, before: string | undefined, after: string | undefined): string {
  if (before === after) return '';
  const all = edits(linesOf(before ?? ''), linesOf(after ?? ''));
  const context = 3;
  const output = [
    `--- ${before === undefined ? '/dev/null' : path}`,
    `+++ ${after === undefined ? '/dev/null' : path}`,
  ];
  let oldLine = 1;
  let newLine = 1;
  for (let place = 0; place < all.length; ) {
    const next = all.findIndex((edit, index) => index >= place && edit.kind !== ' ');
    if (next < 0) break;
    const from = Math.max(place, next - context);
    for (; place < from; place++) {
      oldLine++;
      newLine++;
    }
    let to = next;
    for (let index = next; index < all.length && index <= to + 2 * context; index++) {
      if (all[index]?.kind !== ' ') to = index;
    }
    const hunk = all.slice(from, Math.min(all.length, to + 1 + context));
    const oldCount = hunk.filter((edit) => edit.kind !== '+').length;
    const newCount = hunk.filter((edit) => edit.kind !== '-').length;
    const range = (line: number, count: number) =>
      `${count === 0 ? line - 1 : line}${count === 1 ? '' : `,${count}`}`;
    output.push(`@@ -${range(oldLine, oldCount)} +${range(newLine, newCount)} @@`);
    for (const edit of hunk) output.push(edit.kind + edit.line);
    oldLine += oldCount;
    newLine += newCount;
    place = from + hunk.length;
  }
  return `${output.join('\n')}\n`;
}
