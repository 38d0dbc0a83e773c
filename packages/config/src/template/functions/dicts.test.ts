import { golden } from '../golden.ts';

golden([
  ['dict', '{{dict "a" 1 "b" 2}} {{dict "a"}} {{dict 1 2}} {{dict}}', 'map[a:1 b:2] map[a:] map[1:2] map[]'],
  ['get', '{{get (dict "a" 1) "a"}} [{{get (dict) "a"}}]', '1 []'],
  ['set', '{{$d := dict "a" 1}}{{$_ := set $d "b" 2}}{{$d}}', 'map[a:1 b:2]'],
  ['set in the data', '{{$_ := set .m "b" 2}}{{.m}}', 'map[a:1 b:2]', { m: { a: 1 } }],
  ['unset', '{{$d := dict "a" 1 "b" 2}}{{$_ := unset $d "a"}}{{$d}}', 'map[b:2]'],
  [
    'hasKey',
    '{{hasKey (dict "a" nil) "a"}} {{hasKey (dict) "a"}} {{hasKey (dict) "constructor"}}',
    'true false false',
  ],
  ['keys', '{{keys (dict "a" 1)}} {{keys (dict "a" 1 "b" 2) | sortAlpha}}', '[a] [a b]'],
  ['values', '{{values (dict "a" 1)}}', '[1]'],
  ['pluck', '{{pluck "a" (dict "a" 1) (dict "b" 2) (dict "a" 3)}}', '[1 3]'],
  ['pick', '{{pick (dict "a" 1 "b" 2 "c" 3) "a" "c" "z"}}', 'map[a:1 c:3]'],
  ['omit', '{{omit (dict "a" 1 "b" 2) "a"}}', 'map[b:2]'],
  [
    'dig',
    '{{dig "a" "b" "no" (dict "a" (dict "b" 1))}} {{dig "a" "x" "no" (dict "a" (dict "b" 1))}} {{dig "z" "y" 5 (dict)}}',
    '1 no 5',
  ],
  [
    'merge',
    '{{merge (dict "a" 1 "m" (dict "x" 1)) (dict "a" 2 "b" 3 "m" (dict "x" 2 "y" 4))}}',
    'map[a:1 b:3 m:map[x:1 y:4]]',
  ],
  [
    'merge fills empty values',
    '{{merge (dict "a" "" "b" 0 "c" false) (dict "a" "x" "b" 1 "c" true "d" "")}}',
    'map[a:x b:1 c:true d:]',
  ],
  [
    'merge takes lists whole',
    '{{merge (dict "l" (list 1)) (dict "l" (list 2 3))}} {{mergeOverwrite (dict "l" (list 1)) (dict "l" (list 2 3))}}',
    'map[l:[1]] map[l:[2 3]]',
  ],
  [
    'merge of kinds',
    '{{merge (dict "a" (dict "b" 1)) (dict "a" "x")}} {{merge (dict "a" "x") (dict "a" (dict "b" 1))}}',
    'map[a:map[b:1]] map[a:x]',
  ],
  ['merge changes the first', '{{$d := dict "a" 1}}{{$_ := merge $d (dict "b" 2)}}{{$d}}', 'map[a:1 b:2]'],
  ['merge many', '{{merge (dict) (dict "a" 1) (dict "a" 2 "b" 2)}}', 'map[a:1 b:2]'],
  [
    'mergeOverwrite',
    '{{mergeOverwrite (dict "a" 1 "m" (dict "x" 1 "z" 9)) (dict "a" 2 "b" 3 "m" (dict "x" 2 "y" 4))}}',
    'map[a:2 b:3 m:map[x:2 y:4 z:9]]',
  ],
  [
    'mergeOverwrite and empty',
    '{{mergeOverwrite (dict "a" "x" "b" 1) (dict "a" "" "b" 0 "c" "")}}',
    'map[a: b:0 c:]',
  ],
  [
    'mergeOverwrite of kinds',
    '{{mergeOverwrite (dict "a" (dict "b" 1)) (dict "a" "x")}} {{mergeOverwrite (dict "a" "x") (dict "a" (dict "b" 1))}}',
    'map[a:x] map[a:map[b:1]]',
  ],
  [
    'must variants',
    '{{mustMerge (dict "a" 1) (dict "b" 2)}} {{mustMergeOverwrite (dict "a" 1) (dict "a" 2)}} {{mustDeepCopy (dict "a" 1)}}',
    'map[a:1 b:2] map[a:2] map[a:1]',
  ],
  [
    'deepCopy',
    '{{$d := dict "m" (dict "a" 1)}}{{$c := deepCopy $d}}{{$_ := set $c.m "a" 2}}{{$d}} {{$c}}',
    'map[m:map[a:1]] map[m:map[a:2]]',
  ],
  [
    'copies are shared otherwise',
    '{{$d := dict "m" (dict "a" 1)}}{{$c := $d}}{{$_ := set $c.m "a" 2}}{{$d}}',
    'map[m:map[a:2]]',
  ],
  [
    'mergeOverwrite with nothing',
    '{{mergeOverwrite (dict "a" 1) (dict "a" nil)}} {{mergeOverwrite (dict "a" 1) (dict "a" (list))}} {{mergeOverwrite (dict "a" 1) (dict "a" (dict))}} {{mergeOverwrite (dict "a" (dict "b" 1)) (dict "a" (dict))}} {{mergeOverwrite (dict "a" (dict "b" 1)) (dict "a" nil)}} {{merge (dict "a" nil) (dict "a" 1)}} {{merge (dict "a" (dict)) (dict "a" "x")}} {{merge (dict "a" nil) (dict "a" (dict "b" 1))}}',
    'map[a:<nil>] map[a:[]] map[a:map[]] map[a:map[b:1]] map[a:<nil>] map[a:1] map[a:x] map[a:map[b:1]]',
  ],
  [
    'maps that are not there',
    '{{keys .x}} {{hasKey .x "a"}} [{{get .x "a"}}] {{pluck "a" .x}} {{pick .x "a"}} {{omit .x "a"}} {{values .x}}',
    '[] false [] [] map[] map[] []',
  ],
]);
