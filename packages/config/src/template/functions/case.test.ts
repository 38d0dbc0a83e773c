import { golden } from '../golden.ts';

golden([
  [
    'camelcase',
    '{{camelcase "FirstName"}}|{{camelcase "HTTPServer"}}|{{camelcase "NoHTTPS"}}|{{camelcase "GO_PATH"}}|{{camelcase "GO PATH"}}|{{camelcase "GO-PATH"}}|{{camelcase "http2xx"}}|{{camelcase "HTTP20xOK"}}|{{camelcase "Duration2m3s"}}|{{camelcase "Bld4Floor3rd"}}|{{camelcase "http_server"}}|{{camelcase "_complex__case_"}}|{{camelcase "some words"}}|{{camelcase "GOLANG_IS_GREAT"}}|{{camelcase "a"}}|{{camelcase ""}}|{{camelcase "abc"}}|{{camelcase "ABC"}}|{{camelcase "aB"}}|{{camelcase "v1.2.3"}}|{{camelcase "x.y.Z"}}|{{camelcase "a1B2c3"}}|{{camelcase "--a--b--"}}|{{camelcase "k3s Server"}}|{{camelcase "12abc"}}|{{camelcase "a_"}}|{{camelcase "gOLANG"}}|{{camelcase "ÄpfelÜber"}}|{{camelcase "a#b"}}|{{camelcase "HTTPStatus404"}}|{{camelcase "x86_64"}}|{{camelcase "IPv4Address"}}|{{camelcase "a  b"}}',
    'FirstName|Httpserver|NoHTTPS|GoPath|GoPath|GoPath|Http2xx|Http20xOK|Duration2m3s|Bld4Floor3rd|HttpServer|_Complex_Case_|SomeWords|GolangIsGreat|A||Abc|Abc|AB|V1.2.3|X.y.Z|A1B2c3|--A-B--|K3sServer|12abc|A_|GOLANG|ÄpfelÜber|A#b|Httpstatus404|X8664|Ipv4Address|A B',
  ],
  [
    'kebabcase',
    '{{kebabcase "FirstName"}}|{{kebabcase "HTTPServer"}}|{{kebabcase "NoHTTPS"}}|{{kebabcase "GO_PATH"}}|{{kebabcase "GO PATH"}}|{{kebabcase "GO-PATH"}}|{{kebabcase "http2xx"}}|{{kebabcase "HTTP20xOK"}}|{{kebabcase "Duration2m3s"}}|{{kebabcase "Bld4Floor3rd"}}|{{kebabcase "http_server"}}|{{kebabcase "_complex__case_"}}|{{kebabcase "some words"}}|{{kebabcase "GOLANG_IS_GREAT"}}|{{kebabcase "a"}}|{{kebabcase ""}}|{{kebabcase "abc"}}|{{kebabcase "ABC"}}|{{kebabcase "aB"}}|{{kebabcase "v1.2.3"}}|{{kebabcase "x.y.Z"}}|{{kebabcase "a1B2c3"}}|{{kebabcase "--a--b--"}}|{{kebabcase "k3s Server"}}|{{kebabcase "12abc"}}|{{kebabcase "a_"}}|{{kebabcase "gOLANG"}}|{{kebabcase "ÄpfelÜber"}}|{{kebabcase "a#b"}}|{{kebabcase "HTTPStatus404"}}|{{kebabcase "x86_64"}}|{{kebabcase "IPv4Address"}}|{{kebabcase "a  b"}}',
    'first-name|http-server|no-https|go-path|go-path|go-path|http-2xx|http-20x-ok|duration-2m3s|bld4-floor-3rd|http-server|-complex--case-|some-words|golang-is-great|a||abc|abc|a-b|v1.2.3|x.y.z|a1-b-2c3|--a--b--|k-3s-server|12abc|a-|g-olang|äpfel-über|a#b|http-status404|x86-64|i-pv4-address|a--b',
  ],
  [
    'snakecase',
    '{{snakecase "FirstName"}}|{{snakecase "HTTPServer"}}|{{snakecase "NoHTTPS"}}|{{snakecase "GO_PATH"}}|{{snakecase "GO PATH"}}|{{snakecase "GO-PATH"}}|{{snakecase "http2xx"}}|{{snakecase "HTTP20xOK"}}|{{snakecase "Duration2m3s"}}|{{snakecase "Bld4Floor3rd"}}|{{snakecase "http_server"}}|{{snakecase "_complex__case_"}}|{{snakecase "some words"}}|{{snakecase "GOLANG_IS_GREAT"}}|{{snakecase "a"}}|{{snakecase ""}}|{{snakecase "abc"}}|{{snakecase "ABC"}}|{{snakecase "aB"}}|{{snakecase "v1.2.3"}}|{{snakecase "x.y.Z"}}|{{snakecase "a1B2c3"}}|{{snakecase "--a--b--"}}|{{snakecase "k3s Server"}}|{{snakecase "12abc"}}|{{snakecase "a_"}}|{{snakecase "gOLANG"}}|{{snakecase "ÄpfelÜber"}}|{{snakecase "a#b"}}|{{snakecase "HTTPStatus404"}}|{{snakecase "x86_64"}}|{{snakecase "IPv4Address"}}|{{snakecase "a  b"}}',
    'first_name|http_server|no_https|go_path|go_path|go_path|http_2xx|http_20x_ok|duration_2m3s|bld4_floor_3rd|http_server|_complex__case_|some_words|golang_is_great|a||abc|abc|a_b|v1.2.3|x.y.z|a1_b_2c3|__a__b__|k_3s_server|12abc|a_|g_olang|äpfel_über|a#b|http_status404|x86_64|i_pv4_address|a__b',
  ],
]);
