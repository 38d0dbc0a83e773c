import { golden } from '../golden.ts';

golden([
  ['eq', '{{eq 1 1}} {{eq 1 2}} {{eq "a" "a"}} {{eq true true}} {{eq 1.5 1.5}}', 'true false true true true'],
  ['eq with many', '{{eq 1 2 3 1}} {{eq "a" "b" "c"}}', 'true false'],
  ['eq with nil', '{{eq .a nil}} {{eq .a "x"}} {{eq nil nil}} {{eq 1 nil}}', 'true false true false'],
  ['eq null field', '{{eq .a nil}}', 'true', { a: null }],
  ['ne', '{{ne 1 2}} {{ne "a" "a"}}', 'true false'],
  ['lt', '{{lt 1 2}} {{lt 2 1}} {{lt "a" "b"}} {{lt 1.5 2.5}} {{lt "Z" "a"}}', 'true false true true true'],
  ['le', '{{le 1 1}} {{le 2 1}}', 'true false'],
  ['gt', '{{gt 2 1}} {{gt 1 1}}', 'true false'],
  ['ge', '{{ge 1 1}} {{ge 0 1}}', 'true false'],
  ['eq in a pipeline', '{{1 | eq 1}}', 'true'],
  ['order beyond the BMP', '{{lt "￮" "😀"}}', 'true'],
  [
    'large integers',
    '{{eq 9223372036854775807 9223372036854775807}} {{lt 9223372036854775806 9223372036854775807}}',
    'true true',
  ],
]);
