// Loads the servers of `npm start`, and prints as JSON what of that takes memory which few need: formats of Intl and heavy packages.
import { registerHooks } from 'node:module';

const found = [];
const note = (what) => found.push(what);
const watch = (name, work) =>
  new Proxy(work, {
    apply(target, self, given) {
      note(name);
      return Reflect.apply(target, self, given);
    },
    construct(target, given, made) {
      note(name);
      return Reflect.construct(target, given, made);
    },
  });
for (const name of Object.getOwnPropertyNames(Intl))
  if (typeof Intl[name] === 'function' && /Format|Collator|Names|Rules|Segmenter/.test(name))
    Intl[name] = watch(`Intl.${name}`, Intl[name]);
for (const kind of [Number, BigInt, Date, String])
  for (const name of Object.getOwnPropertyNames(kind.prototype))
    if (/^toLocale(Date|Time)?String$|^localeCompare$/.test(name))
      kind.prototype[name] = watch(`${kind.name}.${name}`, kind.prototype[name]);

const few = /\/node_modules\/(postal-mime|saxes|tldts|yauzl|yazl)\//;
registerHooks({
  load(url, context, next) {
    const [, name] = few.exec(url) ?? [];
    if (name) note(name);
    return next(url, context);
  },
});
if (process.argv[2] === 'bad') {
  (1).toLocaleString('en');
  new Intl.ListFormat('en');
  await import('@aether/importer/hosts');
} else await import('./servers.ts');
console.log(JSON.stringify([...new Set(found)]));
process.exit();
