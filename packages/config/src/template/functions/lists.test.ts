import { golden } from '../golden.ts';

golden([
  [
    'append',
    '{{append (list 1 2) 3}} {{push (list) "a"}} {{mustAppend (list 1) 2}} {{mustPush (list 1) 2}}',
    '[1 2 3] [a] [1 2] [1 2]',
  ],
  ['prepend', '{{prepend (list 1 2) 0}} {{mustPrepend (list 1) 0}}', '[0 1 2] [0 1]'],
  ['concat', '{{concat (list 1) (list 2 3) (list)}} {{concat}}', '[1 2 3] []'],
  [
    'first last',
    '{{first (list 1 2)}} {{last (list 1 2)}} {{mustFirst (list 3)}} {{mustLast (list 4)}} [{{first (list)}}]',
    '1 2 3 4 [<no value>]',
  ],
  [
    'rest initial',
    '{{rest (list 1 2 3)}} {{initial (list 1 2 3)}} {{mustRest (list 1 2)}} {{mustInitial (list 1 2)}} {{rest (list)}} {{initial (list)}}',
    '[2 3] [1 2] [2] [1] [] []',
  ],
  ['reverse', '{{reverse (list 1 2 3)}} {{mustReverse (list 1 2)}}', '[3 2 1] [2 1]'],
  [
    'uniq',
    '{{uniq (list 1 1 2 "1" 1.0 nil nil (list 1) (list 1) (dict "a" 1) (dict "a" 1))}} {{mustUniq (list 1 1)}}',
    '[1 2 1 1 <nil> [1] map[a:1]] [1]',
  ],
  [
    'without',
    '{{without (list 1 2 3 2) 2}} {{without (list 1 2 3) 1 3}} {{mustWithout (list 1 2) 2}}',
    '[1 3] [2] [1]',
  ],
  [
    'has',
    '{{has 1 (list 1 2)}} {{has 3 (list 1 2)}} {{has "a" nil}} {{mustHas 1 (list 1)}} {{has (list 1) (list (list 1))}}',
    'true false false true true',
  ],
  [
    'compact',
    '{{compact (list 1 0 "" "a" nil false (list) (dict))}} {{mustCompact (list 0 1)}}',
    '[1 a] [1]',
  ],
  [
    'slice',
    '{{slice (list 1 2 3 4 5) 1 3}} {{slice (list 1 2 3) 1}} {{slice (list 1 2 3)}} {{mustSlice (list 1 2 3) 2}} {{slice (list 1 2 3) "1"}}',
    '[2 3] [2 3] [1 2 3] [3] [2 3]',
  ],
  [
    'chunk',
    '{{chunk 3 (list 1 2 3 4 5 6 7 8)}} {{chunk 2 (list 1 2)}} {{mustChunk 2 (list 1 2 3)}}',
    '[[1 2 3] [4 5 6] [7 8]] [[1 2]] [[1 2] [3]]',
  ],
  [
    'index',
    '{{index (list 1 2 3) 1}} {{index .m "a" "b"}} {{index "abc" 1}} [{{index .m "x"}}] {{index .l 1 0}} {{index 5}}',
    '2 7 98 [<no value>] 9 5',
    { m: { a: { b: 7 } }, l: [1, [9]] },
  ],
  [
    'join',
    '{{join "-" (list 1 "b" nil true 2.5)}} {{join "," "a"}} {{list "a" "b" | join "_"}} [{{join "," nil}}]',
    '1-b-true-2.5 a a_b []',
  ],
  [
    'sortAlpha',
    '{{sortAlpha (list "c" "a" "b")}} {{sortAlpha (list 10 9 "B")}} {{sortAlpha "x"}}',
    '[a b c] [10 9 B] [x]',
  ],
  ['toStrings', '{{toStrings (list 1 nil 2.5)}} {{toStrings 5}}', '[1 2.5] [5]'],
  ['list', '{{list}} {{list 1 "a" nil}} {{tuple 1 2}}', '[] [1 a <nil>] [1 2]'],
  ['lists are not changed', '{{$l := list 1 2}}{{$m := append $l 3}}{{$l}}{{$m}}', '[1 2][1 2 3]'],
  ['join data', '{{join "," .l}}', 'a,b', { l: ['a', 'b'] }],
]);
