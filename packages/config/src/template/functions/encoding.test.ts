import { golden } from '../golden.ts';

golden([
  ['b64enc', '{{b64enc "hello"}} {{b64enc ""}} {{b64enc "é"}}', 'aGVsbG8=  w6k='],
  ['b64dec', '{{b64dec "aGVsbG8="}} {{"aGVs\\nbG8=" | b64dec}}', 'hello hello'],
  [
    'binary round trip',
    '{{b64dec "//79AA==" | b64enc}} {{b64dec "//79AA==" | sha256sum}} {{len (b64dec "//79AA==")}} {{printf "%x" (b64dec "//79AA==")}} {{quote (b64dec "//79AA==")}}',
    '//79AA== a7a2936cc5d73c165a98f9c34c997ccf32f798ca29eeb3a6128160abcc7c6881 4 fffefd00 "\\xff\\xfe\\xfd\\x00"',
  ],
  [
    'b32enc',
    '{{b32enc "hello"}} {{b32enc "hello world"}} {{b32enc ""}}',
    'NBSWY3DP NBSWY3DPEB3W64TMMQ====== ',
  ],
  ['b32dec', '{{b32dec "NBSWY3DP"}} {{b32dec "NBSWY3DPEB3W64TMMQ======"}}', 'hello hello world'],
  ['sha1sum', '{{sha1sum "hello"}}', 'aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d'],
  [
    'sha256sum',
    '{{sha256sum "hello"}} {{sha256sum "é"}}',
    '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c',
  ],
  [
    'sha512sum',
    '{{sha512sum "hello"}}',
    '9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043',
  ],
  ['adler32sum', '{{adler32sum "hello"}} {{adler32sum ""}}', '103547413 1'],
  [
    'toJson',
    '{{toJson (dict "b" 1 "a" (list "x" nil true 1.5 1e21 1e-7 100000.0))}} {{toJson "<&>\\u2028\\n\\x01é"}} {{toJson nil}} {{mustToJson 1}}',
    '{"a":["x",null,true,1.5,1e+21,1e-7,100000],"b":1} "\\u003c\\u0026\\u003e\\u2028\\n\\u0001é" null 1',
  ],
  [
    'toPrettyJson',
    '{{toPrettyJson (dict "a" (list 1 2) "b" (dict) "c" (list))}} {{mustToPrettyJson 1}}',
    '{\n  "a": [\n    1,\n    2\n  ],\n  "b": {},\n  "c": []\n} 1',
  ],
  ['toRawJson', '{{toRawJson "<&>"}} {{mustToRawJson (dict "a" "<")}}', '"<&>" {"a":"<"}'],
  [
    'fromJson',
    '{{(fromJson "{\\"a\\":{\\"b\\":[1,2.5,\\"x\\",null,1000000]}}").a.b}} [{{fromJson "nope"}}] {{mustFromJson "[1]"}} {{kindOf (fromJson "1")}}',
    '[1 2.5 x <nil> 1e+06] [<no value>] [1] float64',
  ],
  ['html', '{{html "<a>"}}', '&lt;a&gt;'],
  [
    'escaping what is not there',
    '{{html .x}} {{urlquery .x}} {{js .x}}',
    '&lt;no value&gt; %3Cno+value%3E \\u003Cno value\\u003E',
  ],
]);
