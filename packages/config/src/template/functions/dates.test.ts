import { golden } from '../golden.ts';

golden([
  [
    'dateInZone',
    '{{dateInZone "2006-01-02 15:04:05" 1136214245 "UTC"}} {{dateInZone "Mon Jan _2 03:04:05.000 PM MST -0700 2006" 1136214245 "America/New_York"}} {{date_in_zone "15:04" 0 "Europe/Berlin"}}',
    '2006-01-02 15:04:05 Mon Jan  2 10:04:05.000 AM EST -0500 2006 01:00',
  ],
  [
    'layouts',
    '{{dateInZone "January Jan 1 01 2 _2 02 002 __2 Monday Mon 15 3 03 4 04 5 05 06 2006 PM pm MST Z07:00 -07:00 -07 -0700 Z0700 .000 .999" 1136214245 "UTC"}}',
    'January Jan 1 01 2  2 02 002   2 Monday Mon 15 3 03 4 04 5 05 06 2006 PM pm UTC Z +00:00 +00 +0000 Z .000 ',
  ],
  [
    'zones',
    '{{dateInZone "MST -07:00 Z07:00" 1136214245 "Europe/Paris"}} {{dateInZone "MST" 1152000000 "Europe/London"}} {{dateInZone "-07:00" 1152000000 "Asia/Kolkata"}} {{dateInZone "15:04 MST" 0 "No/Where"}}',
    'CET +01:00 +01:00 BST +05:30 00:00 UTC',
  ],
  ['before 1970', '{{dateInZone "2006-01-02 15:04:05" -1 "UTC"}}', '1969-12-31 23:59:59'],
  ['htmlDateInZone', '{{htmlDateInZone 0 "UTC"}}', '1970-01-01'],
  [
    'toDate',
    '{{(toDate "2006-01-02" "2024-02-29").UTC.Format "2006-01-02T15:04:05Z07:00"}}',
    '2024-02-29T00:00:00Z',
  ],
  [
    'toDate with an offset',
    '{{dateInZone "2006-01-02T15:04:05Z07:00" (toDate "2006-01-02T15:04:05-07:00" "2024-03-01T10:00:00+02:00") "UTC"}} {{unixEpoch (toDate "2006-01-02T15:04:05Z07:00" "1970-01-01T00:00:10Z")}}',
    '2024-03-01T08:00:00Z 10',
  ],
  [
    'toDate printed',
    '{{toDate "2006-01-02 15:04:05 -0700" "2024-03-01 10:00:00 +0200"}} {{toDate "2006-01-02T15:04:05Z07:00" "2024-03-01T10:00:00.5Z"}}',
    '2024-03-01 10:00:00 +0200 +0200 2024-03-01 10:00:00.5 +0000 UTC',
  ],
  [
    'toDate forms',
    '{{dateInZone "2006-01-02 15:04:05" (toDate "Jan 2, 2006 at 3:04pm (MST)" "Feb 3, 2013 at 7:54pm (UTC)") "UTC"}} {{(mustToDate "02/01/06" "05/06/70").Format "2006-01-02"}}',
    '2013-02-03 19:54:00 1970-06-05',
  ],
  [
    'dateModify',
    '{{dateInZone "2006-01-02 15:04" (dateModify "-1.5h" (toDate "2006-01-02T15:04:05Z07:00" "2024-01-01T00:00:00Z")) "UTC"}} {{dateInZone "15:04" (mustDateModify "90m" (toDate "2006-01-02T15:04:05Z07:00" "2024-01-01T00:00:00Z")) "UTC"}} {{dateInZone "15:04" (date_modify "1h" (toDate "2006-01-02T15:04:05Z07:00" "2024-01-01T00:00:00Z")) "UTC"}} {{dateInZone "15:04" (must_date_modify "1h" (toDate "2006-01-02T15:04:05Z07:00" "2024-01-01T00:00:00Z")) "UTC"}}',
    '2023-12-31 22:30 01:30 01:00 01:00',
  ],
  [
    'duration',
    '{{duration "95"}} {{duration "3600"}} {{duration "x"}} {{duration "90061"}}',
    '1m35s 1h0m0s 0s 25h1m1s',
  ],
  [
    'durationRound',
    '{{durationRound "2h10m5s"}} {{durationRound "25h"}} {{durationRound "800h"}} {{durationRound "9000h"}} {{durationRound "61s"}} {{durationRound "5s"}} {{durationRound "x"}} {{durationRound "-3h"}}',
    '2h 1d 1mo 1y 1m 5s 0s 3h',
  ],
  [
    'methods',
    '{{$t := toDate "2006-01-02T15:04:05Z07:00" "2024-02-29T10:11:12.5Z"}}{{$t.Year}} {{$t.Month}} {{$t.Day}} {{$t.Hour}} {{$t.Minute}} {{$t.Second}} {{$t.Nanosecond}} {{$t.Weekday}} {{$t.YearDay}} {{$t.Unix}} {{$t.UnixMilli}} {{$t.UnixNano}} {{$t.IsZero}} {{$t.Format "Jan 2"}} {{$t.String}}',
    '2024 February 29 10 11 12 500000000 Thursday 60 1709201472 1709201472500 1709201472500000000 false Feb 29 2024-02-29 10:11:12.5 +0000 UTC',
  ],
  [
    'times in JSON',
    '{{toJson (toDate "2006-01-02T15:04:05Z07:00" "2024-02-29T10:11:12Z")}}',
    '"2024-02-29T10:11:12Z"',
  ],
  [
    'zones without a name',
    '{{dateInZone "MST" 1152000000 "America/Sao_Paulo"}} {{dateInZone "MST" 1152000000 "Asia/Kathmandu"}} {{dateInZone "MST" 1152000000 "Asia/Tokyo"}} {{dateInZone "MST" 1152000000 "Australia/Sydney"}}',
    '-03 +0545 JST AEST',
  ],
]);
