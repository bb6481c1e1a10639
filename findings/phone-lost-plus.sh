#!/bin/sh
# Guess: libphonenumber reads a number that has lost its +, and begins with the code of the reader's country, as that country's number, always or never.
# Behaviour of libphonenumber-js 1.13.16: it depends on what follows the code. Of its examples of mobile numbers, those of 3 countries
#   become other numbers, which it calls valid: in DE "49 30 1234567" is +49301234567, and "49 151 12345678" is +494915112345678.
# Used for: platform/phone.ts (hasLostPlus). Spreadsheets take the + away from a column of numbers.
#
# Needs npm and Node 20 or newer.
# Output seen: "49 30 1234567: +49301234567", "49 151 12345678: +494915112345678, valid" and "other numbers: DE ID XK".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" libphonenumber-js@1.13.16
cat > look.mjs <<'JS'
import { getCountries, getExampleNumber, parsePhoneNumberFromString as parse } from 'libphonenumber-js/min';
import examples from 'libphonenumber-js/mobile/examples';
const [stripped, kept] = ['49 30 1234567', '49 151 12345678'].map((text) => parse(text, 'DE'));
const others = getCountries().filter((country) => {
  const number = getExampleNumber(country, examples)?.number;
  return number && parse(number.slice(1), country)?.number !== number;
});
console.log(`49 30 1234567: ${stripped.number}`);
console.log(`49 151 12345678: ${kept.number}, ${kept.isValid() ? 'valid' : 'invalid'}`);
console.log(`other numbers: ${others.join(' ')}`);
const isAsSeen =
  stripped.number === '+49301234567' && kept.number === '+494915112345678' && kept.isValid() && others.join() === 'DE,ID,XK';
process.exit(isAsSeen ? 0 : 1);
JS
node look.mjs
