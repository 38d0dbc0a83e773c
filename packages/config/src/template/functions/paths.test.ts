import { golden } from '../golden.ts';

golden([
  [
    'base',
    '[{{base "/etc/foo.tar.gz"}}] [{{base "foo"}}] [{{base ""}}] [{{base "/"}}] [{{base "a/b/"}}] [{{base "./a/../b//c"}}] [{{base "/a/.profile"}}] [{{base ".."}}] [{{base "a/b.c/d"}}] [{{base "//x"}}] [{{base "../a"}}] [{{base "a/.."}}]',
    '[foo.tar.gz] [foo] [.] [/] [b] [c] [.profile] [..] [d] [x] [a] [..]',
  ],
  [
    'dir',
    '[{{dir "/etc/foo.tar.gz"}}] [{{dir "foo"}}] [{{dir ""}}] [{{dir "/"}}] [{{dir "a/b/"}}] [{{dir "./a/../b//c"}}] [{{dir "/a/.profile"}}] [{{dir ".."}}] [{{dir "a/b.c/d"}}] [{{dir "//x"}}] [{{dir "../a"}}] [{{dir "a/.."}}]',
    '[/etc] [.] [.] [/] [a/b] [b] [/a] [.] [a/b.c] [/] [..] [a]',
  ],
  [
    'clean',
    '[{{clean "/etc/foo.tar.gz"}}] [{{clean "foo"}}] [{{clean ""}}] [{{clean "/"}}] [{{clean "a/b/"}}] [{{clean "./a/../b//c"}}] [{{clean "/a/.profile"}}] [{{clean ".."}}] [{{clean "a/b.c/d"}}] [{{clean "//x"}}] [{{clean "../a"}}] [{{clean "a/.."}}]',
    '[/etc/foo.tar.gz] [foo] [.] [/] [a/b] [b/c] [/a/.profile] [..] [a/b.c/d] [/x] [../a] [.]',
  ],
  [
    'ext',
    '[{{ext "/etc/foo.tar.gz"}}] [{{ext "foo"}}] [{{ext ""}}] [{{ext "/"}}] [{{ext "a/b/"}}] [{{ext "./a/../b//c"}}] [{{ext "/a/.profile"}}] [{{ext ".."}}] [{{ext "a/b.c/d"}}] [{{ext "//x"}}] [{{ext "../a"}}] [{{ext "a/.."}}]',
    '[.gz] [] [] [] [] [] [.profile] [.] [] [] [] [.]',
  ],
  [
    'isAbs',
    '[{{isAbs "/etc/foo.tar.gz"}}] [{{isAbs "foo"}}] [{{isAbs ""}}] [{{isAbs "/"}}] [{{isAbs "a/b/"}}] [{{isAbs "./a/../b//c"}}] [{{isAbs "/a/.profile"}}] [{{isAbs ".."}}] [{{isAbs "a/b.c/d"}}] [{{isAbs "//x"}}] [{{isAbs "../a"}}] [{{isAbs "a/.."}}]',
    '[true] [false] [false] [true] [false] [false] [true] [false] [false] [true] [false] [false]',
  ],
  [
    'osBase',
    '[{{osBase "/etc/foo.tar.gz"}}] [{{osBase "foo"}}] [{{osBase ""}}] [{{osBase "/"}}] [{{osBase "a/b/"}}] [{{osBase "./a/../b//c"}}] [{{osBase "/a/.profile"}}] [{{osBase ".."}}] [{{osBase "a/b.c/d"}}] [{{osBase "//x"}}] [{{osBase "../a"}}] [{{osBase "a/.."}}]',
    '[foo.tar.gz] [foo] [.] [/] [b] [c] [.profile] [..] [d] [x] [a] [..]',
  ],
  [
    'osClean',
    '[{{osClean "/etc/foo.tar.gz"}}] [{{osClean "foo"}}] [{{osClean ""}}] [{{osClean "/"}}] [{{osClean "a/b/"}}] [{{osClean "./a/../b//c"}}] [{{osClean "/a/.profile"}}] [{{osClean ".."}}] [{{osClean "a/b.c/d"}}] [{{osClean "//x"}}] [{{osClean "../a"}}] [{{osClean "a/.."}}]',
    '[/etc/foo.tar.gz] [foo] [.] [/] [a/b] [b/c] [/a/.profile] [..] [a/b.c/d] [/x] [../a] [.]',
  ],
  [
    'osDir',
    '[{{osDir "/etc/foo.tar.gz"}}] [{{osDir "foo"}}] [{{osDir ""}}] [{{osDir "/"}}] [{{osDir "a/b/"}}] [{{osDir "./a/../b//c"}}] [{{osDir "/a/.profile"}}] [{{osDir ".."}}] [{{osDir "a/b.c/d"}}] [{{osDir "//x"}}] [{{osDir "../a"}}] [{{osDir "a/.."}}]',
    '[/etc] [.] [.] [/] [a/b] [b] [/a] [.] [a/b.c] [/] [..] [a]',
  ],
  [
    'osExt',
    '[{{osExt "/etc/foo.tar.gz"}}] [{{osExt "foo"}}] [{{osExt ""}}] [{{osExt "/"}}] [{{osExt "a/b/"}}] [{{osExt "./a/../b//c"}}] [{{osExt "/a/.profile"}}] [{{osExt ".."}}] [{{osExt "a/b.c/d"}}] [{{osExt "//x"}}] [{{osExt "../a"}}] [{{osExt "a/.."}}]',
    '[.gz] [] [] [] [] [] [.profile] [.] [] [] [] [.]',
  ],
  [
    'osIsAbs',
    '[{{osIsAbs "/etc/foo.tar.gz"}}] [{{osIsAbs "foo"}}] [{{osIsAbs ""}}] [{{osIsAbs "/"}}] [{{osIsAbs "a/b/"}}] [{{osIsAbs "./a/../b//c"}}] [{{osIsAbs "/a/.profile"}}] [{{osIsAbs ".."}}] [{{osIsAbs "a/b.c/d"}}] [{{osIsAbs "//x"}}] [{{osIsAbs "../a"}}] [{{osIsAbs "a/.."}}]',
    '[true] [false] [false] [true] [false] [false] [true] [false] [false] [true] [false] [false]',
  ],
]);
