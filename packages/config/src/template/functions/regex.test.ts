import { golden } from '../golden.ts';

golden([
  [
    'regexMatch',
    '{{regexMatch "^[a-z]+$" "abc"}} {{regexMatch "^[a-z]+$" "ABC"}} {{regexMatch "(?i)abc" "xABCx"}} {{regexMatch "" ""}}',
    'true false true true',
  ],
  ['regexFind', '{{regexFind "[a-z][0-9]" "ab1c2"}} [{{regexFind "z" "abc"}}]', 'b1 []'],
  [
    'regexFindAll',
    '{{regexFindAll "[2,4,6,8]" "123456789" -1}} {{regexFindAll "a" "aaa" 2}} {{regexFindAll "a*" "baac" -1 | len}} {{regexFindAll "z" "a" -1}}',
    '[2 4 6 8] [a a] 3 []',
  ],
  [
    'regexReplaceAll',
    '{{regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W"}} {{regexReplaceAll "a(x*)b" "-ab-axxb-" "$1W"}} {{regexReplaceAll "(?P<k>[a-z]+)=(\\\\d+)" "a=1 b=2" "$2:$k"}} {{regexReplaceAll "x*" "abc" "-"}} {{regexReplaceAll "a" "aba" "$$"}} {{regexReplaceAll "a" "aba" "$"}} {{regexReplaceAll "b" "abc" "[$0]"}}',
    '-W-xxW- --- 1:a 2:b -a-b-c- $b$ $b$ a[b]c',
  ],
  ['regexReplaceAllLiteral', '{{regexReplaceAllLiteral "a(x*)b" "-ab-axxb-" "${1}"}}', '-${1}-${1}-'],
  [
    'regexSplit',
    '{{regexSplit "z+" "pizza" -1}} {{regexSplit "z" "pizza" 2}} {{regexSplit "," "a,b,c" 2}} {{regexSplit "," "" -1 | len}} {{regexSplit "" "abc" -1}} {{regexSplit "," "a,b" 0 | len}} {{regexSplit "x*" "axbxc" -1}}',
    '[pi a] [pi za] [a b,c] 1 [a b c] 0 [a b c]',
  ],
  [
    'regexQuoteMeta',
    '{{regexQuoteMeta "1.2.3+[a](b)^$|?*{}\\\\"}}',
    '1\\.2\\.3\\+\\[a\\]\\(b\\)\\^\\$\\|\\?\\*\\{\\}\\\\',
  ],
  [
    'must variants',
    '{{mustRegexMatch "a" "a"}} {{mustRegexFind "a+" "baa"}} {{mustRegexFindAll "a" "aa" 1}} {{mustRegexReplaceAll "a" "a" "b"}} {{mustRegexReplaceAllLiteral "a" "a" "$0"}} {{mustRegexSplit "," "a,b" -1}}',
    'true aa [a] b $0 [a b]',
  ],
  [
    'classes',
    '{{regexFindAll "[[:alpha:]]+|\\\\d+" "ab12cd" -1}} {{regexMatch `\\pL` "é"}} {{regexReplaceAll `(?m)^` "a\\nb" "> "}} {{regexReplaceAll `(?s)a.b` "a\\nb" "X"}} {{regexFind `\\bfoo\\b` "a foo b"}} {{regexFind "a|ab" "ab"}} {{regexFind "a.*?b" "axbxb"}}',
    '[ab 12 cd] true > a\n> b X foo a axb',
  ],
  ['unicode', '{{regexReplaceAll "" "é😀" "-"}} {{regexFindAll "." "é😀" -1}}', '-é-😀- [é 😀]'],
]);
