import { golden } from '../golden.ts';

golden([
  [
    'semver',
    '{{$v := semver "v1.2.3-alpha.1+123"}}{{$v.Major}} {{$v.Minor}} {{$v.Patch}} {{$v.Prerelease}} {{$v.Metadata}} {{$v.Original}} {{$v}} {{semver "1.2"}} {{(semver "1.2.3").Compare (semver "1.2.4")}}',
    '1 2 3 alpha.1 123 v1.2.3-alpha.1+123 1.2.3-alpha.1+123 1.2.0 -1',
  ],
  [
    'semverCompare 1.2.3',
    '{{semverCompare "1.2.3" "1.2.3"}} {{semverCompare "1.2.3" "1.2.4"}} {{semverCompare "1.2.3" "1.3.0"}} {{semverCompare "1.2.3" "2.0.0"}} {{semverCompare "1.2.3" "0.2.3"}} {{semverCompare "1.2.3" "0.0.3"}} {{semverCompare "1.2.3" "1.2.3-beta.1"}} {{semverCompare "1.2.3" "v1.2.0"}} {{semverCompare "1.2.3" "0.3.0"}} {{semverCompare "1.2.3" "1.2.3+build"}}',
    'true false false false false false false false false true',
  ],
  [
    'semverCompare =1.2.3',
    '{{semverCompare "=1.2.3" "1.2.3"}} {{semverCompare "=1.2.3" "1.2.4"}} {{semverCompare "=1.2.3" "1.3.0"}} {{semverCompare "=1.2.3" "2.0.0"}} {{semverCompare "=1.2.3" "0.2.3"}} {{semverCompare "=1.2.3" "0.0.3"}} {{semverCompare "=1.2.3" "1.2.3-beta.1"}} {{semverCompare "=1.2.3" "v1.2.0"}} {{semverCompare "=1.2.3" "0.3.0"}} {{semverCompare "=1.2.3" "1.2.3+build"}}',
    'true false false false false false false false false true',
  ],
  [
    'semverCompare !=1.2.3',
    '{{semverCompare "!=1.2.3" "1.2.3"}} {{semverCompare "!=1.2.3" "1.2.4"}} {{semverCompare "!=1.2.3" "1.3.0"}} {{semverCompare "!=1.2.3" "2.0.0"}} {{semverCompare "!=1.2.3" "0.2.3"}} {{semverCompare "!=1.2.3" "0.0.3"}} {{semverCompare "!=1.2.3" "1.2.3-beta.1"}} {{semverCompare "!=1.2.3" "v1.2.0"}} {{semverCompare "!=1.2.3" "0.3.0"}} {{semverCompare "!=1.2.3" "1.2.3+build"}}',
    'false true true true true true true true true false',
  ],
  [
    'semverCompare >1.2.3',
    '{{semverCompare ">1.2.3" "1.2.3"}} {{semverCompare ">1.2.3" "1.2.4"}} {{semverCompare ">1.2.3" "1.3.0"}} {{semverCompare ">1.2.3" "2.0.0"}} {{semverCompare ">1.2.3" "0.2.3"}} {{semverCompare ">1.2.3" "0.0.3"}} {{semverCompare ">1.2.3" "1.2.3-beta.1"}} {{semverCompare ">1.2.3" "v1.2.0"}} {{semverCompare ">1.2.3" "0.3.0"}} {{semverCompare ">1.2.3" "1.2.3+build"}}',
    'false true true true false false false false false false',
  ],
  [
    'semverCompare >=1.2.3',
    '{{semverCompare ">=1.2.3" "1.2.3"}} {{semverCompare ">=1.2.3" "1.2.4"}} {{semverCompare ">=1.2.3" "1.3.0"}} {{semverCompare ">=1.2.3" "2.0.0"}} {{semverCompare ">=1.2.3" "0.2.3"}} {{semverCompare ">=1.2.3" "0.0.3"}} {{semverCompare ">=1.2.3" "1.2.3-beta.1"}} {{semverCompare ">=1.2.3" "v1.2.0"}} {{semverCompare ">=1.2.3" "0.3.0"}} {{semverCompare ">=1.2.3" "1.2.3+build"}}',
    'true true true true false false false false false true',
  ],
  [
    'semverCompare <1.2.3',
    '{{semverCompare "<1.2.3" "1.2.3"}} {{semverCompare "<1.2.3" "1.2.4"}} {{semverCompare "<1.2.3" "1.3.0"}} {{semverCompare "<1.2.3" "2.0.0"}} {{semverCompare "<1.2.3" "0.2.3"}} {{semverCompare "<1.2.3" "0.0.3"}} {{semverCompare "<1.2.3" "1.2.3-beta.1"}} {{semverCompare "<1.2.3" "v1.2.0"}} {{semverCompare "<1.2.3" "0.3.0"}} {{semverCompare "<1.2.3" "1.2.3+build"}}',
    'false false false false true true false true true false',
  ],
  [
    'semverCompare <=1.2.3',
    '{{semverCompare "<=1.2.3" "1.2.3"}} {{semverCompare "<=1.2.3" "1.2.4"}} {{semverCompare "<=1.2.3" "1.3.0"}} {{semverCompare "<=1.2.3" "2.0.0"}} {{semverCompare "<=1.2.3" "0.2.3"}} {{semverCompare "<=1.2.3" "0.0.3"}} {{semverCompare "<=1.2.3" "1.2.3-beta.1"}} {{semverCompare "<=1.2.3" "v1.2.0"}} {{semverCompare "<=1.2.3" "0.3.0"}} {{semverCompare "<=1.2.3" "1.2.3+build"}}',
    'true false false false true true false true true true',
  ],
  [
    'semverCompare ~1.2.3',
    '{{semverCompare "~1.2.3" "1.2.3"}} {{semverCompare "~1.2.3" "1.2.4"}} {{semverCompare "~1.2.3" "1.3.0"}} {{semverCompare "~1.2.3" "2.0.0"}} {{semverCompare "~1.2.3" "0.2.3"}} {{semverCompare "~1.2.3" "0.0.3"}} {{semverCompare "~1.2.3" "1.2.3-beta.1"}} {{semverCompare "~1.2.3" "v1.2.0"}} {{semverCompare "~1.2.3" "0.3.0"}} {{semverCompare "~1.2.3" "1.2.3+build"}}',
    'true true false false false false false false false true',
  ],
  [
    'semverCompare ~1.2',
    '{{semverCompare "~1.2" "1.2.3"}} {{semverCompare "~1.2" "1.2.4"}} {{semverCompare "~1.2" "1.3.0"}} {{semverCompare "~1.2" "2.0.0"}} {{semverCompare "~1.2" "0.2.3"}} {{semverCompare "~1.2" "0.0.3"}} {{semverCompare "~1.2" "1.2.3-beta.1"}} {{semverCompare "~1.2" "v1.2.0"}} {{semverCompare "~1.2" "0.3.0"}} {{semverCompare "~1.2" "1.2.3+build"}}',
    'true true false false false false false true false true',
  ],
  [
    'semverCompare ~1',
    '{{semverCompare "~1" "1.2.3"}} {{semverCompare "~1" "1.2.4"}} {{semverCompare "~1" "1.3.0"}} {{semverCompare "~1" "2.0.0"}} {{semverCompare "~1" "0.2.3"}} {{semverCompare "~1" "0.0.3"}} {{semverCompare "~1" "1.2.3-beta.1"}} {{semverCompare "~1" "v1.2.0"}} {{semverCompare "~1" "0.3.0"}} {{semverCompare "~1" "1.2.3+build"}}',
    'true true true false false false false true false true',
  ],
  [
    'semverCompare ~>1.2',
    '{{semverCompare "~>1.2" "1.2.3"}} {{semverCompare "~>1.2" "1.2.4"}} {{semverCompare "~>1.2" "1.3.0"}} {{semverCompare "~>1.2" "2.0.0"}} {{semverCompare "~>1.2" "0.2.3"}} {{semverCompare "~>1.2" "0.0.3"}} {{semverCompare "~>1.2" "1.2.3-beta.1"}} {{semverCompare "~>1.2" "v1.2.0"}} {{semverCompare "~>1.2" "0.3.0"}} {{semverCompare "~>1.2" "1.2.3+build"}}',
    'true true false false false false false true false true',
  ],
  [
    'semverCompare ^1.2.3',
    '{{semverCompare "^1.2.3" "1.2.3"}} {{semverCompare "^1.2.3" "1.2.4"}} {{semverCompare "^1.2.3" "1.3.0"}} {{semverCompare "^1.2.3" "2.0.0"}} {{semverCompare "^1.2.3" "0.2.3"}} {{semverCompare "^1.2.3" "0.0.3"}} {{semverCompare "^1.2.3" "1.2.3-beta.1"}} {{semverCompare "^1.2.3" "v1.2.0"}} {{semverCompare "^1.2.3" "0.3.0"}} {{semverCompare "^1.2.3" "1.2.3+build"}}',
    'true true true false false false false false false true',
  ],
  [
    'semverCompare ^0.2.3',
    '{{semverCompare "^0.2.3" "1.2.3"}} {{semverCompare "^0.2.3" "1.2.4"}} {{semverCompare "^0.2.3" "1.3.0"}} {{semverCompare "^0.2.3" "2.0.0"}} {{semverCompare "^0.2.3" "0.2.3"}} {{semverCompare "^0.2.3" "0.0.3"}} {{semverCompare "^0.2.3" "1.2.3-beta.1"}} {{semverCompare "^0.2.3" "v1.2.0"}} {{semverCompare "^0.2.3" "0.3.0"}} {{semverCompare "^0.2.3" "1.2.3+build"}}',
    'false false false false true false false false false false',
  ],
  [
    'semverCompare ^0.0.3',
    '{{semverCompare "^0.0.3" "1.2.3"}} {{semverCompare "^0.0.3" "1.2.4"}} {{semverCompare "^0.0.3" "1.3.0"}} {{semverCompare "^0.0.3" "2.0.0"}} {{semverCompare "^0.0.3" "0.2.3"}} {{semverCompare "^0.0.3" "0.0.3"}} {{semverCompare "^0.0.3" "1.2.3-beta.1"}} {{semverCompare "^0.0.3" "v1.2.0"}} {{semverCompare "^0.0.3" "0.3.0"}} {{semverCompare "^0.0.3" "1.2.3+build"}}',
    'false false false false false true false false false false',
  ],
  [
    'semverCompare ^0',
    '{{semverCompare "^0" "1.2.3"}} {{semverCompare "^0" "1.2.4"}} {{semverCompare "^0" "1.3.0"}} {{semverCompare "^0" "2.0.0"}} {{semverCompare "^0" "0.2.3"}} {{semverCompare "^0" "0.0.3"}} {{semverCompare "^0" "1.2.3-beta.1"}} {{semverCompare "^0" "v1.2.0"}} {{semverCompare "^0" "0.3.0"}} {{semverCompare "^0" "1.2.3+build"}}',
    'false false false false true true false false true false',
  ],
  [
    'semverCompare ^0.0',
    '{{semverCompare "^0.0" "1.2.3"}} {{semverCompare "^0.0" "1.2.4"}} {{semverCompare "^0.0" "1.3.0"}} {{semverCompare "^0.0" "2.0.0"}} {{semverCompare "^0.0" "0.2.3"}} {{semverCompare "^0.0" "0.0.3"}} {{semverCompare "^0.0" "1.2.3-beta.1"}} {{semverCompare "^0.0" "v1.2.0"}} {{semverCompare "^0.0" "0.3.0"}} {{semverCompare "^0.0" "1.2.3+build"}}',
    'false false false false false true false false false false',
  ],
  [
    'semverCompare ^1',
    '{{semverCompare "^1" "1.2.3"}} {{semverCompare "^1" "1.2.4"}} {{semverCompare "^1" "1.3.0"}} {{semverCompare "^1" "2.0.0"}} {{semverCompare "^1" "0.2.3"}} {{semverCompare "^1" "0.0.3"}} {{semverCompare "^1" "1.2.3-beta.1"}} {{semverCompare "^1" "v1.2.0"}} {{semverCompare "^1" "0.3.0"}} {{semverCompare "^1" "1.2.3+build"}}',
    'true true true false false false false true false true',
  ],
  [
    'semverCompare 1.x',
    '{{semverCompare "1.x" "1.2.3"}} {{semverCompare "1.x" "1.2.4"}} {{semverCompare "1.x" "1.3.0"}} {{semverCompare "1.x" "2.0.0"}} {{semverCompare "1.x" "0.2.3"}} {{semverCompare "1.x" "0.0.3"}} {{semverCompare "1.x" "1.2.3-beta.1"}} {{semverCompare "1.x" "v1.2.0"}} {{semverCompare "1.x" "0.3.0"}} {{semverCompare "1.x" "1.2.3+build"}}',
    'true true true false false false false true false true',
  ],
  [
    'semverCompare 1.2.x',
    '{{semverCompare "1.2.x" "1.2.3"}} {{semverCompare "1.2.x" "1.2.4"}} {{semverCompare "1.2.x" "1.3.0"}} {{semverCompare "1.2.x" "2.0.0"}} {{semverCompare "1.2.x" "0.2.3"}} {{semverCompare "1.2.x" "0.0.3"}} {{semverCompare "1.2.x" "1.2.3-beta.1"}} {{semverCompare "1.2.x" "v1.2.0"}} {{semverCompare "1.2.x" "0.3.0"}} {{semverCompare "1.2.x" "1.2.3+build"}}',
    'true true false false false false false true false true',
  ],
  [
    'semverCompare *',
    '{{semverCompare "*" "1.2.3"}} {{semverCompare "*" "1.2.4"}} {{semverCompare "*" "1.3.0"}} {{semverCompare "*" "2.0.0"}} {{semverCompare "*" "0.2.3"}} {{semverCompare "*" "0.0.3"}} {{semverCompare "*" "1.2.3-beta.1"}} {{semverCompare "*" "v1.2.0"}} {{semverCompare "*" "0.3.0"}} {{semverCompare "*" "1.2.3+build"}}',
    'true true true true true true false true true true',
  ],
  [
    'semverCompare >=1.2 <2',
    '{{semverCompare ">=1.2 <2" "1.2.3"}} {{semverCompare ">=1.2 <2" "1.2.4"}} {{semverCompare ">=1.2 <2" "1.3.0"}} {{semverCompare ">=1.2 <2" "2.0.0"}} {{semverCompare ">=1.2 <2" "0.2.3"}} {{semverCompare ">=1.2 <2" "0.0.3"}} {{semverCompare ">=1.2 <2" "1.2.3-beta.1"}} {{semverCompare ">=1.2 <2" "v1.2.0"}} {{semverCompare ">=1.2 <2" "0.3.0"}} {{semverCompare ">=1.2 <2" "1.2.3+build"}}',
    'true true true false false false false true false true',
  ],
  [
    'semverCompare >=1.2, <1.3',
    '{{semverCompare ">=1.2, <1.3" "1.2.3"}} {{semverCompare ">=1.2, <1.3" "1.2.4"}} {{semverCompare ">=1.2, <1.3" "1.3.0"}} {{semverCompare ">=1.2, <1.3" "2.0.0"}} {{semverCompare ">=1.2, <1.3" "0.2.3"}} {{semverCompare ">=1.2, <1.3" "0.0.3"}} {{semverCompare ">=1.2, <1.3" "1.2.3-beta.1"}} {{semverCompare ">=1.2, <1.3" "v1.2.0"}} {{semverCompare ">=1.2, <1.3" "0.3.0"}} {{semverCompare ">=1.2, <1.3" "1.2.3+build"}}',
    'true true false false false false false true false true',
  ],
  [
    'semverCompare <1 || >=2',
    '{{semverCompare "<1 || >=2" "1.2.3"}} {{semverCompare "<1 || >=2" "1.2.4"}} {{semverCompare "<1 || >=2" "1.3.0"}} {{semverCompare "<1 || >=2" "2.0.0"}} {{semverCompare "<1 || >=2" "0.2.3"}} {{semverCompare "<1 || >=2" "0.0.3"}} {{semverCompare "<1 || >=2" "1.2.3-beta.1"}} {{semverCompare "<1 || >=2" "v1.2.0"}} {{semverCompare "<1 || >=2" "0.3.0"}} {{semverCompare "<1 || >=2" "1.2.3+build"}}',
    'false false false true true true false false true false',
  ],
  [
    'semverCompare 1.2 - 1.4',
    '{{semverCompare "1.2 - 1.4" "1.2.3"}} {{semverCompare "1.2 - 1.4" "1.2.4"}} {{semverCompare "1.2 - 1.4" "1.3.0"}} {{semverCompare "1.2 - 1.4" "2.0.0"}} {{semverCompare "1.2 - 1.4" "0.2.3"}} {{semverCompare "1.2 - 1.4" "0.0.3"}} {{semverCompare "1.2 - 1.4" "1.2.3-beta.1"}} {{semverCompare "1.2 - 1.4" "v1.2.0"}} {{semverCompare "1.2 - 1.4" "0.3.0"}} {{semverCompare "1.2 - 1.4" "1.2.3+build"}}',
    'true true true false false false false true false true',
  ],
  [
    'semverCompare >1.2',
    '{{semverCompare ">1.2" "1.2.3"}} {{semverCompare ">1.2" "1.2.4"}} {{semverCompare ">1.2" "1.3.0"}} {{semverCompare ">1.2" "2.0.0"}} {{semverCompare ">1.2" "0.2.3"}} {{semverCompare ">1.2" "0.0.3"}} {{semverCompare ">1.2" "1.2.3-beta.1"}} {{semverCompare ">1.2" "v1.2.0"}} {{semverCompare ">1.2" "0.3.0"}} {{semverCompare ">1.2" "1.2.3+build"}}',
    'false false true true false false false false false false',
  ],
  [
    'semverCompare <=1.2',
    '{{semverCompare "<=1.2" "1.2.3"}} {{semverCompare "<=1.2" "1.2.4"}} {{semverCompare "<=1.2" "1.3.0"}} {{semverCompare "<=1.2" "2.0.0"}} {{semverCompare "<=1.2" "0.2.3"}} {{semverCompare "<=1.2" "0.0.3"}} {{semverCompare "<=1.2" "1.2.3-beta.1"}} {{semverCompare "<=1.2" "v1.2.0"}} {{semverCompare "<=1.2" "0.3.0"}} {{semverCompare "<=1.2" "1.2.3+build"}}',
    'true true false false true true false true true true',
  ],
  [
    'semverCompare <=1',
    '{{semverCompare "<=1" "1.2.3"}} {{semverCompare "<=1" "1.2.4"}} {{semverCompare "<=1" "1.3.0"}} {{semverCompare "<=1" "2.0.0"}} {{semverCompare "<=1" "0.2.3"}} {{semverCompare "<=1" "0.0.3"}} {{semverCompare "<=1" "1.2.3-beta.1"}} {{semverCompare "<=1" "v1.2.0"}} {{semverCompare "<=1" "0.3.0"}} {{semverCompare "<=1" "1.2.3+build"}}',
    'true true true false true true false true true true',
  ],
  [
    'semverCompare >1',
    '{{semverCompare ">1" "1.2.3"}} {{semverCompare ">1" "1.2.4"}} {{semverCompare ">1" "1.3.0"}} {{semverCompare ">1" "2.0.0"}} {{semverCompare ">1" "0.2.3"}} {{semverCompare ">1" "0.0.3"}} {{semverCompare ">1" "1.2.3-beta.1"}} {{semverCompare ">1" "v1.2.0"}} {{semverCompare ">1" "0.3.0"}} {{semverCompare ">1" "1.2.3+build"}}',
    'false false false true false false false false false false',
  ],
  [
    'semverCompare !=1.2',
    '{{semverCompare "!=1.2" "1.2.3"}} {{semverCompare "!=1.2" "1.2.4"}} {{semverCompare "!=1.2" "1.3.0"}} {{semverCompare "!=1.2" "2.0.0"}} {{semverCompare "!=1.2" "0.2.3"}} {{semverCompare "!=1.2" "0.0.3"}} {{semverCompare "!=1.2" "1.2.3-beta.1"}} {{semverCompare "!=1.2" "v1.2.0"}} {{semverCompare "!=1.2" "0.3.0"}} {{semverCompare "!=1.2" "1.2.3+build"}}',
    'false false true true true true false false true false',
  ],
  [
    'semverCompare !=1',
    '{{semverCompare "!=1" "1.2.3"}} {{semverCompare "!=1" "1.2.4"}} {{semverCompare "!=1" "1.3.0"}} {{semverCompare "!=1" "2.0.0"}} {{semverCompare "!=1" "0.2.3"}} {{semverCompare "!=1" "0.0.3"}} {{semverCompare "!=1" "1.2.3-beta.1"}} {{semverCompare "!=1" "v1.2.0"}} {{semverCompare "!=1" "0.3.0"}} {{semverCompare "!=1" "1.2.3+build"}}',
    'false false false true true true false false true false',
  ],
  [
    'semverCompare >=1.2.3-0',
    '{{semverCompare ">=1.2.3-0" "1.2.3"}} {{semverCompare ">=1.2.3-0" "1.2.4"}} {{semverCompare ">=1.2.3-0" "1.3.0"}} {{semverCompare ">=1.2.3-0" "2.0.0"}} {{semverCompare ">=1.2.3-0" "0.2.3"}} {{semverCompare ">=1.2.3-0" "0.0.3"}} {{semverCompare ">=1.2.3-0" "1.2.3-beta.1"}} {{semverCompare ">=1.2.3-0" "v1.2.0"}} {{semverCompare ">=1.2.3-0" "0.3.0"}} {{semverCompare ">=1.2.3-0" "1.2.3+build"}}',
    'true true true true false false true false false true',
  ],
  [
    'semverCompare >1.2.3-alpha',
    '{{semverCompare ">1.2.3-alpha" "1.2.3"}} {{semverCompare ">1.2.3-alpha" "1.2.4"}} {{semverCompare ">1.2.3-alpha" "1.3.0"}} {{semverCompare ">1.2.3-alpha" "2.0.0"}} {{semverCompare ">1.2.3-alpha" "0.2.3"}} {{semverCompare ">1.2.3-alpha" "0.0.3"}} {{semverCompare ">1.2.3-alpha" "1.2.3-beta.1"}} {{semverCompare ">1.2.3-alpha" "v1.2.0"}} {{semverCompare ">1.2.3-alpha" "0.3.0"}} {{semverCompare ">1.2.3-alpha" "1.2.3+build"}}',
    'true true true true false false true false false true',
  ],
  [
    'semverCompare ~1.2.3-beta.0',
    '{{semverCompare "~1.2.3-beta.0" "1.2.3"}} {{semverCompare "~1.2.3-beta.0" "1.2.4"}} {{semverCompare "~1.2.3-beta.0" "1.3.0"}} {{semverCompare "~1.2.3-beta.0" "2.0.0"}} {{semverCompare "~1.2.3-beta.0" "0.2.3"}} {{semverCompare "~1.2.3-beta.0" "0.0.3"}} {{semverCompare "~1.2.3-beta.0" "1.2.3-beta.1"}} {{semverCompare "~1.2.3-beta.0" "v1.2.0"}} {{semverCompare "~1.2.3-beta.0" "0.3.0"}} {{semverCompare "~1.2.3-beta.0" "1.2.3+build"}}',
    'true true false false false false true false false true',
  ],
  [
    'semverCompare ^1.2.3-0',
    '{{semverCompare "^1.2.3-0" "1.2.3"}} {{semverCompare "^1.2.3-0" "1.2.4"}} {{semverCompare "^1.2.3-0" "1.3.0"}} {{semverCompare "^1.2.3-0" "2.0.0"}} {{semverCompare "^1.2.3-0" "0.2.3"}} {{semverCompare "^1.2.3-0" "0.0.3"}} {{semverCompare "^1.2.3-0" "1.2.3-beta.1"}} {{semverCompare "^1.2.3-0" "v1.2.0"}} {{semverCompare "^1.2.3-0" "0.3.0"}} {{semverCompare "^1.2.3-0" "1.2.3+build"}}',
    'true true true false false false true false false true',
  ],
  [
    'semverCompare 1.2.3-beta.1',
    '{{semverCompare "1.2.3-beta.1" "1.2.3"}} {{semverCompare "1.2.3-beta.1" "1.2.4"}} {{semverCompare "1.2.3-beta.1" "1.3.0"}} {{semverCompare "1.2.3-beta.1" "2.0.0"}} {{semverCompare "1.2.3-beta.1" "0.2.3"}} {{semverCompare "1.2.3-beta.1" "0.0.3"}} {{semverCompare "1.2.3-beta.1" "1.2.3-beta.1"}} {{semverCompare "1.2.3-beta.1" "v1.2.0"}} {{semverCompare "1.2.3-beta.1" "0.3.0"}} {{semverCompare "1.2.3-beta.1" "1.2.3+build"}}',
    'false false false false false false true false false false',
  ],
  [
    'semverCompare => 1.2.3',
    '{{semverCompare "=> 1.2.3" "1.2.3"}} {{semverCompare "=> 1.2.3" "1.2.4"}} {{semverCompare "=> 1.2.3" "1.3.0"}} {{semverCompare "=> 1.2.3" "2.0.0"}} {{semverCompare "=> 1.2.3" "0.2.3"}} {{semverCompare "=> 1.2.3" "0.0.3"}} {{semverCompare "=> 1.2.3" "1.2.3-beta.1"}} {{semverCompare "=> 1.2.3" "v1.2.0"}} {{semverCompare "=> 1.2.3" "0.3.0"}} {{semverCompare "=> 1.2.3" "1.2.3+build"}}',
    'true true true true false false false false false true',
  ],
  [
    'semverCompare =< 1.2.3',
    '{{semverCompare "=< 1.2.3" "1.2.3"}} {{semverCompare "=< 1.2.3" "1.2.4"}} {{semverCompare "=< 1.2.3" "1.3.0"}} {{semverCompare "=< 1.2.3" "2.0.0"}} {{semverCompare "=< 1.2.3" "0.2.3"}} {{semverCompare "=< 1.2.3" "0.0.3"}} {{semverCompare "=< 1.2.3" "1.2.3-beta.1"}} {{semverCompare "=< 1.2.3" "v1.2.0"}} {{semverCompare "=< 1.2.3" "0.3.0"}} {{semverCompare "=< 1.2.3" "1.2.3+build"}}',
    'true false false false true true false true true true',
  ],
  [
    'semverCompare ~0.0.0',
    '{{semverCompare "~0.0.0" "1.2.3"}} {{semverCompare "~0.0.0" "1.2.4"}} {{semverCompare "~0.0.0" "1.3.0"}} {{semverCompare "~0.0.0" "2.0.0"}} {{semverCompare "~0.0.0" "0.2.3"}} {{semverCompare "~0.0.0" "0.0.3"}} {{semverCompare "~0.0.0" "1.2.3-beta.1"}} {{semverCompare "~0.0.0" "v1.2.0"}} {{semverCompare "~0.0.0" "0.3.0"}} {{semverCompare "~0.0.0" "1.2.3+build"}}',
    'true true true true true true false true true true',
  ],
  [
    'semverCompare v1.2.3',
    '{{semverCompare "v1.2.3" "1.2.3"}} {{semverCompare "v1.2.3" "1.2.4"}} {{semverCompare "v1.2.3" "1.3.0"}} {{semverCompare "v1.2.3" "2.0.0"}} {{semverCompare "v1.2.3" "0.2.3"}} {{semverCompare "v1.2.3" "0.0.3"}} {{semverCompare "v1.2.3" "1.2.3-beta.1"}} {{semverCompare "v1.2.3" "v1.2.0"}} {{semverCompare "v1.2.3" "0.3.0"}} {{semverCompare "v1.2.3" "1.2.3+build"}}',
    'true false false false false false false false false true',
  ],
  [
    'semverCompare >=1.2.3-0 <2.0.0',
    '{{semverCompare ">=1.2.3-0 <2.0.0" "1.2.3"}} {{semverCompare ">=1.2.3-0 <2.0.0" "1.2.4"}} {{semverCompare ">=1.2.3-0 <2.0.0" "1.3.0"}} {{semverCompare ">=1.2.3-0 <2.0.0" "2.0.0"}} {{semverCompare ">=1.2.3-0 <2.0.0" "0.2.3"}} {{semverCompare ">=1.2.3-0 <2.0.0" "0.0.3"}} {{semverCompare ">=1.2.3-0 <2.0.0" "1.2.3-beta.1"}} {{semverCompare ">=1.2.3-0 <2.0.0" "v1.2.0"}} {{semverCompare ">=1.2.3-0 <2.0.0" "0.3.0"}} {{semverCompare ">=1.2.3-0 <2.0.0" "1.2.3+build"}}',
    'true true true false false false false false false true',
  ],
  [
    'semverCompare !=1.x',
    '{{semverCompare "!=1.x" "1.2.3"}} {{semverCompare "!=1.x" "1.2.4"}} {{semverCompare "!=1.x" "1.3.0"}} {{semverCompare "!=1.x" "2.0.0"}} {{semverCompare "!=1.x" "0.2.3"}} {{semverCompare "!=1.x" "0.0.3"}} {{semverCompare "!=1.x" "1.2.3-beta.1"}} {{semverCompare "!=1.x" "v1.2.0"}} {{semverCompare "!=1.x" "0.3.0"}} {{semverCompare "!=1.x" "1.2.3+build"}}',
    'false false false true true true false false true false',
  ],
  [
    'semverCompare ~*',
    '{{semverCompare "~*" "1.2.3"}} {{semverCompare "~*" "1.2.4"}} {{semverCompare "~*" "1.3.0"}} {{semverCompare "~*" "2.0.0"}} {{semverCompare "~*" "0.2.3"}} {{semverCompare "~*" "0.0.3"}} {{semverCompare "~*" "1.2.3-beta.1"}} {{semverCompare "~*" "v1.2.0"}} {{semverCompare "~*" "0.3.0"}} {{semverCompare "~*" "1.2.3+build"}}',
    'true true true true true true false true true true',
  ],
  [
    'semverCompare <x',
    '{{semverCompare "<x" "1.2.3"}} {{semverCompare "<x" "1.2.4"}} {{semverCompare "<x" "1.3.0"}} {{semverCompare "<x" "2.0.0"}} {{semverCompare "<x" "0.2.3"}} {{semverCompare "<x" "0.0.3"}} {{semverCompare "<x" "1.2.3-beta.1"}} {{semverCompare "<x" "v1.2.0"}} {{semverCompare "<x" "0.3.0"}} {{semverCompare "<x" "1.2.3+build"}}',
    'false false false false false false false false false false',
  ],
]);
