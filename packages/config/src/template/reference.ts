import { functionThemes, refusedFunctions, shortCircuitFunctions } from './functions.ts';

/** An example of a function: a template and what it gives; `error: …` for one that fails. */
export type Example = readonly [template: string, result: string];

/**
 * One example for each function, for the manual. They see `exampleData` and run at 2024-05-06 07:08:09 UTC. An alias
 * needs none.
 */
export const examples: Readonly<Record<string, Example>> = {
  and: ['{{and "a" 0 .missing.key}}', '0'],
  or: ['{{or "" 0 "last"}}', 'last'],
  all: ['{{all 1 "x"}}', 'true'],
  any: ['{{any 0 "x"}}', 'true'],
  call: ['{{call .double 21}}', '42'],
  coalesce: ['{{coalesce 0 "" "x" "y"}}', 'x'],
  deepEqual: ['{{deepEqual (list 1 2) (list 1 2)}}', 'true'],
  default: ['{{.missing | default "eth0"}}', 'eth0'],
  empty: ['{{empty ""}}', 'true'],
  fail: ['{{fail "no disk"}}', 'error: fail: no disk'],
  kindIs: ['{{kindIs "map" .}}', 'true'],
  kindOf: ['{{kindOf (list 1)}}', 'slice'],
  not: ['{{not 0}}', 'true'],
  required: ['{{required "role is needed" .role}}', 'worker'],
  ternary: ['{{ternary "yes" "no" true}}', 'yes'],
  typeIs: ['{{typeIs "string" .role}}', 'true'],
  typeIsLike: ['{{typeIsLike "semver.Version" (semver "1.2.3")}}', 'true'],
  typeOf: ['{{typeOf 1.5}}', 'float64'],
  eq: ['{{eq .role "master" "worker"}}', 'true'],
  ne: ['{{ne 1 2}}', 'true'],
  lt: ['{{lt 1 2}}', 'true'],
  le: ['{{le 2 2}}', 'true'],
  gt: ['{{gt 1 2}}', 'false'],
  ge: ['{{ge 2 2}}', 'true'],
  abbrev: ['{{abbrev 8 "hello world"}}', 'hello...'],
  abbrevboth: ['{{abbrevboth 5 10 "1234 5678 9123"}}', '...5678...'],
  cat: ['{{cat "a" 1 true}}', 'a 1 true'],
  contains: ['{{contains "work" .role}}', 'true'],
  hasPrefix: ['{{hasPrefix "work" .role}}', 'true'],
  hasSuffix: ['{{hasSuffix "er" .role}}', 'true'],
  html: ['{{html "<b>"}}', '&lt;b&gt;'],
  indent: ['{{indent 2 "a\\nb"}}', '  a\n  b'],
  initials: ['{{initials "First Try"}}', 'FT'],
  js: ['{{js "it\'s"}}', "it\\'s"],
  lower: ['{{lower "ABC"}}', 'abc'],
  nindent: ['{{nindent 2 "a\\nb"}}', '\n  a\n  b'],
  nospace: ['{{nospace " a b "}}', 'ab'],
  plural: ['{{len .nodes | plural "node" "nodes"}}', 'nodes'],
  print: ['{{print 1 2 "a"}}', '1 2a'],
  printf: ['{{printf "%s-%03d" .role 7}}', 'worker-007'],
  println: ['{{println "a" 1}}', 'a 1\n'],
  quote: ['{{quote .role}}', '"worker"'],
  repeat: ['{{repeat 3 "ab"}}', 'ababab'],
  replace: ['{{replace ":" "-" "aa:bb:cc"}}', 'aa-bb-cc'],
  split: ['{{(split "." "10.0.0.7")._3}}', '7'],
  splitList: ['{{splitList "," "a,b"}}', '[a b]'],
  splitn: ['{{(splitn "=" 2 "a=b=c")._1}}', 'b=c'],
  squote: ['{{squote .role}}', "'worker'"],
  substr: ['{{substr 0 4 .role}}', 'work'],
  swapcase: ['{{swapcase "Hello"}}', 'hELLO'],
  title: ['{{title "hello world"}}', 'Hello World'],
  toString: ['{{toString 1.5}}', '1.5'] as const,
  trim: ['{{trim " a "}}', 'a'],
  trimAll: ['{{trimAll "-" "--a--"}}', 'a'],
  trimPrefix: ['{{trimPrefix "v" "v1.2"}}', '1.2'],
  trimSuffix: ['{{trimSuffix ".img" "root.img"}}', 'root'],
  trunc: ['{{trunc 4 .machineID}}', '3f1c'],
  untitle: ['{{untitle "Hello World"}}', 'hello world'],
  upper: ['{{upper "abc"}}', 'ABC'],
  urlquery: ['{{urlquery "a b&c"}}', 'a+b%26c'],
  wrap: ['{{wrap 5 "aaa bbb ccc"}}', 'aaa\nbbb\nccc'],
  wrapWith: ['{{wrapWith 3 "/" "abcdef"}}', 'abc/def'],
  camelcase: ['{{camelcase "http_server"}}', 'HttpServer'],
  kebabcase: ['{{kebabcase "FirstName"}}', 'first-name'],
  snakecase: ['{{snakecase "FirstName"}}', 'first_name'],
  regexFind: ['{{regexFind "[0-9]+" "eth12"}}', '12'],
  regexFindAll: ['{{regexFindAll "[0-9]" "a1b2" -1}}', '[1 2]'],
  regexMatch: ['{{regexMatch "^work" .role}}', 'true'],
  regexQuoteMeta: ['{{regexQuoteMeta "1.2"}}', '1\\.2'],
  regexReplaceAll: ['{{regexReplaceAll "(\\\\w)=(\\\\w)" "a=b" "$2=$1"}}', 'b=a'],
  regexReplaceAllLiteral: ['{{regexReplaceAllLiteral "b+" "abbc" "$1"}}', 'a$1c'],
  regexSplit: ['{{regexSplit "[,;]" "a,b;c" -1}}', '[a b c]'],
  add: ['{{add 1 2 3}}', '6'],
  add1: ['{{add1 5}}', '6'],
  add1f: ['{{add1f 1.5}}', '2.5'],
  addf: ['{{addf 0.1 0.2}}', '0.3'],
  atoi: ['{{atoi "12"}}', '12'],
  ceil: ['{{ceil 1.1}}', '2'],
  div: ['{{div 7 2}}', '3'],
  divf: ['{{divf 7 2}}', '3.5'],
  float64: ['{{float64 "1.5"}}', '1.5'],
  floor: ['{{floor 1.9}}', '1'],
  int: ['{{int "12"}}', '12'],
  max: ['{{max 1 3 2}}', '3'],
  maxf: ['{{maxf 1.5 2.5}}', '2.5'],
  min: ['{{min 1 3 2}}', '1'],
  minf: ['{{minf 1.5 2.5}}', '1.5'],
  mod: ['{{mod 7 3}}', '1'],
  mul: ['{{mul 2 3}}', '6'],
  mulf: ['{{mulf 1.5 2}}', '3'],
  randInt: ['{{randInt 7 8}}', '7'],
  round: ['{{round 1.2345 2}}', '1.23'],
  seq: ['{{seq 1 2 7}}', '1 3 5 7'],
  sub: ['{{sub 5 3}}', '2'],
  subf: ['{{subf 7.5 2}}', '5.5'],
  toDecimal: ['{{toDecimal "0755"}}', '493'],
  until: ['{{until 3}}', '[0 1 2]'],
  untilStep: ['{{untilStep 3 9 2}}', '[3 5 7]'],
  append: ['{{append .nodes "c"}}', '[a b c]'],
  chunk: ['{{chunk 2 (list 1 2 3)}}', '[[1 2] [3]]'],
  compact: ['{{compact (list 1 0 "" "a")}}', '[1 a]'],
  concat: ['{{concat .nodes (list "c" "d")}}', '[a b c d]'],
  first: ['{{first .nodes}}', 'a'],
  has: ['{{has "b" .nodes}}', 'true'],
  index: ['{{index .nodes 1}}', 'b'],
  initial: ['{{initial (list 1 2 3)}}', '[1 2]'],
  join: ['{{join "," .nodes}}', 'a,b'],
  last: ['{{last .nodes}}', 'b'],
  len: ['{{len .nodes}}', '2'],
  list: ['{{list 1 "a"}}', '[1 a]'],
  prepend: ['{{prepend .nodes "z"}}', '[z a b]'],
  rest: ['{{rest (list 1 2 3)}}', '[2 3]'],
  reverse: ['{{reverse .nodes}}', '[b a]'],
  slice: ['{{slice (list 1 2 3 4) 1 3}}', '[2 3]'],
  sortAlpha: ['{{sortAlpha (list "b" "a")}}', '[a b]'],
  toStrings: ['{{toStrings (list 1 nil 2)}}', '[1 2]'],
  uniq: ['{{uniq (list 1 2 1)}}', '[1 2]'],
  without: ['{{without .nodes "a"}}', '[b]'],
  deepCopy: ['{{set (deepCopy .labels) "zone" "b"}}{{.labels}}', 'map[zone:b]map[zone:a]'],
  dict: ['{{dict "a" 1 "b" 2}}', 'map[a:1 b:2]'],
  dig: ['{{dig "labels" "rack" "none" .}}', 'none'],
  get: ['{{get .labels "zone"}}', 'a'],
  hasKey: ['{{hasKey .labels "zone"}}', 'true'],
  keys: ['{{keys .labels}}', '[zone]'],
  merge: ['{{merge (dict "a" 1) (dict "a" 2 "b" 3)}}', 'map[a:1 b:3]'],
  mergeOverwrite: ['{{mergeOverwrite (dict "a" 1) (dict "a" 2 "b" 3)}}', 'map[a:2 b:3]'],
  omit: ['{{omit (dict "a" 1 "b" 2) "a"}}', 'map[b:2]'],
  pick: ['{{pick (dict "a" 1 "b" 2) "a"}}', 'map[a:1]'],
  pluck: ['{{pluck "a" (dict "a" 1) (dict "a" 2)}}', '[1 2]'],
  set: ['{{set (dict "a" 1) "b" 2}}', 'map[a:1 b:2]'],
  unset: ['{{unset (dict "a" 1 "b" 2) "a"}}', 'map[b:2]'],
  values: ['{{values (dict "a" 1 "b" 2)}}', '[1 2]'],
  ago: ['{{ago 1714979280}}', '9s'],
  date: ['{{date "2006-01-02 15:04" now}}', '2024-05-06 07:08'],
  dateInZone: ['{{dateInZone "15:04 MST" 0 "Europe/Berlin"}}', '01:00 CET'],
  dateModify: ['{{now | dateModify "-24h" | date "2006-01-02"}}', '2024-05-05'],
  duration: ['{{duration 95}}', '1m35s'],
  durationRound: ['{{durationRound "2h10m5s"}}', '2h'],
  htmlDate: ['{{htmlDate now}}', '2024-05-06'],
  htmlDateInZone: ['{{htmlDateInZone 0 "UTC"}}', '1970-01-01'],
  now: ['{{now.Year}}', '2024'],
  toDate: ['{{(toDate "2006-01-02" "2024-02-29").Weekday}}', 'Thursday'],
  unixEpoch: ['{{unixEpoch now}}', '1714979289'],
  adler32sum: ['{{adler32sum "hello"}}', '103547413'],
  b32dec: ['{{b32dec "NBSWY3DP"}}', 'hello'],
  b32enc: ['{{b32enc "hello"}}', 'NBSWY3DP'],
  b64dec: ['{{b64dec "aGVsbG8="}}', 'hello'],
  b64enc: ['{{b64enc "hello"}}', 'aGVsbG8='],
  fromJson: ['{{(fromJson "{\\"a\\": 1}").a}}', '1'],
  mustFromJson: ['{{mustFromJson "[1, 2]"}}', '[1 2]'],
  sha1sum: ['{{sha1sum "hello" | trunc 8}}', 'aaf4c61d'],
  sha256sum: ['{{sha256sum "hello" | trunc 8}}', '2cf24dba'],
  sha512sum: ['{{sha512sum "hello" | trunc 8}}', '9b71d224'],
  toJson: ['{{toJson .labels}}', '{"zone":"a"}'],
  toPrettyJson: ['{{toPrettyJson .labels}}', '{\n  "zone": "a"\n}'],
  toRawJson: ['{{toRawJson "<&>"}}', '"<&>"'],
  decryptAES: ['{{encryptAES "password" "text" | decryptAES "password"}}', 'text'],
  encryptAES: ['{{encryptAES "password" "text" | b64dec | len}}', '32'],
  randAlpha: ['{{randAlpha 8 | len}}', '8'],
  randAlphaNum: ['{{randAlphaNum 8 | len}}', '8'],
  randAscii: ['{{randAscii 8 | len}}', '8'],
  randBytes: ['{{randBytes 8 | b64dec | len}}', '8'],
  randNumeric: ['{{regexMatch "^[0-9]{8}$" (randNumeric 8)}}', 'true'],
  shuffle: ['{{shuffle "aaa"}}', 'aaa'],
  uuidv4: ['{{uuidv4 | len}}', '36'],
  semver: ['{{(semver "v1.2.3-rc.1").Minor}}', '2'],
  semverCompare: ['{{semverCompare "^1.2" "1.3.0"}}', 'true'],
  urlJoin: ['{{urlJoin (dict "scheme" "https" "host" "h:1" "path" "/a")}}', 'https://h:1/a'],
  urlParse: ['{{(urlParse "https://h:1/a").hostname}}', 'h'],
  base: ['{{base "/etc/hosts.conf"}}', 'hosts.conf'],
  clean: ['{{clean "/a//b/../c/"}}', '/a/c'],
  dir: ['{{dir "/etc/hosts.conf"}}', '/etc'],
  ext: ['{{ext "/etc/hosts.conf"}}', '.conf'],
  isAbs: ['{{isAbs "/etc"}}', 'true'],
  env: ['[{{env "HOME"}}]', '[]'],
  expandenv: ['[{{expandenv "a$HOME"}}]', '[a]'],
};

export const exampleData = {
  role: 'worker',
  machineID: '3f1c0d9ab2e84c5f9d7a6b5c4d3e2f10',
  nodes: ['a', 'b'],
  labels: { zone: 'a' },
  double: (value: unknown) => Number(value) * 2,
};

const isExample = (name: string): boolean => Object.hasOwn(examples, name);

/** The other names of each function, by its first name. A `must…` name is never the first where there is another. */
export function aliases(): Map<string, string[]> {
  const byName = new Map<string, string[]>(shortCircuitFunctions.map((name) => [name, []]));
  for (const [, theme] of functionThemes) {
    const names = Object.keys(theme).sort((a, b) => Number(isExample(b)) - Number(isExample(a)));
    for (const name of names) {
      const first = [...byName.keys()].find((other) => theme[other] === theme[name]);
      if (first === undefined) byName.set(name, []);
      else byName.get(first)?.push(name);
    }
  }
  return byName;
}

const code = (text: string): string => {
  const escaped = text.replaceAll('|', '\\|');
  return text.includes('`') ? `\`\` ${escaped} \`\`` : `\`${escaped}\``;
};

/** A table of Markdown with its columns aligned. */
function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [line(head), line(rule), ...rows.slice(1).map(line)].join('\n');
}

/** The part of docs/templates.md that lists the functions. */
export function functionReference(): string {
  const others = aliases();
  const rowsOf = (names: readonly string[]): string[][] =>
    names
      .filter((name) => others.has(name))
      .map((name) => {
        const [template, result] = examples[name] ?? ['', ''];
        const named = [name, ...(others.get(name) ?? [])].map(code).join(', ');
        const shown = /^\s|\s$|\n/.test(result) ? JSON.stringify(result) : result;
        return [named, code(template), code(shown)];
      });
  const section = (title: string, names: readonly string[]): string =>
    `### ${title}\n\n${markdownTable([['function', 'example', 'gives'], ...rowsOf(names)])}`;
  const refused = [...refusedFunctions].map(([name, why]) => `- ${code(name)}: ${why}`);
  return [
    ...functionThemes.map(([title, theme], index) =>
      section(title, [...(index === 0 ? shortCircuitFunctions : []), ...Object.keys(theme)]),
    ),
    `### Left out\n\n${refused.join('\n')}`,
  ].join('\n\n');
}
