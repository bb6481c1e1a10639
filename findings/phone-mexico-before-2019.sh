#!/bin/sh
# Guess: libphonenumber leaves out what Mexico dialled before its mobile numbers until 2019, as it leaves out the 15 of Argentina: old lists, and
#   the ids of messengers, are full of +52 1.
# Behaviour of libphonenumber-js 1.13.16, with its full metadata: "+52 1 55 1234 5678" and "044 55 1234 5678" keep it and are not even possible;
#   "011 15 2345 6789" in AR becomes +5491123456789.
# Used for: platform/phone.ts (formerPrefixOfMexico). Otherwise the same person has no number, or another one than in a newer list.
#
# Needs npm and Node 20 or newer.
# Output seen: "+5215512345678 impossible", "+520445512345678 impossible" and "+5491123456789 possible".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" libphonenumber-js@1.13.16
cat > look.mjs <<'JS'
import { parsePhoneNumberFromString as parse } from 'libphonenumber-js/max';
const seen = [['+52 1 55 1234 5678', 'MX'], ['044 55 1234 5678', 'MX'], ['011 15 2345 6789', 'AR']].map(([text, country]) => {
  const phone = parse(text, country);
  return `${phone.number} ${phone.isPossible() ? 'possible' : 'impossible'}`;
});
for (const line of seen) console.log(line);
process.exit(
  seen.join() === '+5215512345678 impossible,+520445512345678 impossible,+5491123456789 possible' ? 0 : 1,
);
JS
node look.mjs
