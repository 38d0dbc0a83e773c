import { golden } from '../golden.ts';

golden([
  ['all', '{{all 1 "x"}} {{all 1 0}} {{all}}', 'true false true'],
  ['any', '{{any 0 "x"}} {{any 0 ""}} {{any}}', 'true false false'],
  ['coalesce', '{{coalesce 0 "" nil "x" "y"}} {{coalesce 0 ""}}', 'x <no value>'],
  [
    'deepEqual',
    '{{deepEqual (list 1 2) (list 1 2)}} {{deepEqual (dict "a" 1) (dict "a" 2)}} {{deepEqual 1 1.0}} {{deepEqual nil nil}}',
    'true false false true',
  ],
  [
    'default',
    '{{default "d" ""}} {{default "d" "x"}} {{.x | default "d"}} {{default 1 0}} {{default "d" false}} {{default "d" (list)}} {{default "d"}}',
    'd x d 1 d d d',
  ],
  [
    'empty',
    '{{empty ""}} {{empty 0}} {{empty nil}} {{empty "x"}} {{empty (list)}} {{empty (dict "a" 1)}} {{empty false}} {{empty 0.0}} {{empty now}}',
    'true true true false true false true true false',
  ],
  ['kindIs', '{{kindIs "int" 1}} {{kindIs "string" 1}}', 'true false'],
  [
    'kindOf',
    '{{kindOf 1}} {{kindOf "a"}} {{kindOf true}} {{kindOf 1.5}} {{kindOf (list)}} {{kindOf (dict)}} {{kindOf nil}} {{kindOf now}} {{kindOf (semver "1.2.3")}}',
    'int string bool float64 slice map invalid struct ptr',
  ],
  ['not', '{{not 0}} {{not (list 1)}}', 'true false'],
  ['required', '{{required "msg" "x"}} {{"y" | required "msg"}} {{required "m" 0}}', 'x y 0'],
  ['ternary', '{{ternary 1 2 true}} {{true | ternary "a" "b"}} {{ternary 1 2 false}}', '1 a 2'],
  ['typeIs', '{{typeIs "string" "a"}} {{typeIs "int" "a"}}', 'true false'],
  ['typeIsLike', '{{typeIsLike "string" "a"}} {{typeIsLike "semver.Version" (semver "1.2.3")}}', 'true true'],
  [
    'typeOf',
    '{{typeOf 1}} {{typeOf "a"}} {{typeOf 1.5}} {{typeOf true}} {{typeOf (list 1)}} {{typeOf (dict)}} {{typeOf nil}} {{typeOf now}}',
    'int string float64 bool []interface {} map[string]interface {} <nil> time.Time',
  ],
]);
