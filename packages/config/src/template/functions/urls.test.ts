import { golden } from '../golden.ts';

golden([
  [
    'urlParse',
    '{{urlParse "http://admin:secret@server.com:8080/api?list=false#anchor"}}',
    'map[fragment:anchor host:server.com:8080 hostname:server.com opaque: path:/api query:list=false scheme:http userinfo:admin:secret]',
  ],
  [
    'urlParse forms',
    '{{urlParse "mailto:a@b.c"}}|{{urlParse "/path?x"}}|{{urlParse "http://[::1]:80/a%20b"}}|{{urlParse "host/path"}}|{{urlParse "HTTP://x"}}|{{(urlParse "https://x.org").hostname}}',
    'map[fragment: host: hostname: opaque:a@b.c path: query: scheme:mailto userinfo:]|map[fragment: host: hostname: opaque: path:/path query:x scheme: userinfo:]|map[fragment: host:[::1]:80 hostname:::1 opaque: path:/a b query: scheme:http userinfo:]|map[fragment: host: hostname: opaque: path:host/path query: scheme: userinfo:]|map[fragment: host:x hostname:x opaque: path: query: scheme:http userinfo:]|x.org',
  ],
  [
    'urlJoin',
    '{{urlJoin (dict "scheme" "http" "host" "host:80" "path" "/path" "query" "query" "fragment" "frag")}} {{urlJoin (dict "scheme" "https" "host" "h" "path" "a b" "userinfo" "u:p")}} {{urlJoin (dict "scheme" "mailto" "opaque" "x@y")}} {{urlJoin (dict "path" "/a")}} {{urlJoin (urlParse "https://u:p@h:1/x?y=1#z")}}',
    'http://host:80/path?query#frag https://u:p@h/a%20b mailto:x@y /a https://u:p@h:1/x?y=1#z',
  ],
]);
