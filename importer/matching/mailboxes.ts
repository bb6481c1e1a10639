/** Local parts of mailboxes that several people read: an equal address says nothing about the person. */
const roles = new Set(
  `abuse account accountant accounting accounts accountspayable admin administracion administrador administration administrator admissions ads anfrage anmeldung ap ar assistant backoffice
bestellung bestellungen bewerbung billing board booking bookings buchhaltung buero bureau buro business campaigns career careers comercial commercial commerciale community compliance comptabilite compras contact contacto
contactus contato contatti contabilidad customercare customerservice customersupport datenschutz delivery dev developer direction director direccion dispatch dpo einkauf email empfang enquiries enquiry everyone facturacion faktura
familie family fax feedback finance finanzen frontdesk geschaeftsfuehrung hallo headoffice hello hello help helpdesk hi hola hostmaster hr hrteam info infos informacion information inquiries inquiry international
invoice invoices it itsupport jobs karriere kontakt kundenservice legal leitung mail mailbox mailer manager management marketing media member members membership mkt moderator news newsletter noc noreply no-reply nospam
office officemanager oficina operations ops order orders orga parts partner partners payments payroll personal personnel post postmaster praxis press presse privacy procurement projects purchase purchasing purchases
recepcion reception rechnung rechnungen recruiting recruitment redaktion registrar rental reservas reservation reservations returns root rrhh sales salesteam schule secretariat secretary sekretariat security
service services shipping shop soporte spam staff store students studio subscribe subscriptions suporte support team tech technical technik test user vendas ventas verkauf vertrieb verwaltung vorstand warehouse web
webmaster webshop welcome werkstatt zentrale`.split(/\s+/),
);

/** Providers that give anybody an address: two addresses of one of them have nothing in common. */
const providers = new Set(
  `gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.co.jp yahoo.com.br yahoo.in ymail.com rocketmail.com hotmail.com hotmail.co.uk hotmail.de hotmail.fr hotmail.it hotmail.es
outlook.com outlook.de outlook.fr outlook.es live.com live.co.uk live.de live.fr msn.com icloud.com me.com mac.com aol.com aol.de gmx.de gmx.net gmx.com gmx.at gmx.ch web.de t-online.de freenet.de arcor.de mail.com email.com mail.de
posteo.de mailbox.org proton.me protonmail.com pm.me tutanota.com hey.com fastmail.com zoho.com yandex.ru yandex.com mail.ru inbox.ru list.ru bk.ru rambler.ru qq.com 163.com 126.com sina.com naver.com daum.net hanmail.net orange.fr
wanadoo.fr free.fr sfr.fr laposte.net libero.it virgilio.it tiscali.it alice.it bluewin.ch hispeed.ch telenet.be skynet.be ziggo.nl kpnmail.nl planet.nl hetnet.nl xs4all.nl uol.com.br bol.com.br terra.com.br btinternet.com sky.com
talktalk.net virginmedia.com ntlworld.com comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net shaw.ca rogers.com sympatico.ca bigpond.com optusnet.com.au seznam.cz centrum.cz wp.pl
o2.pl onet.pl interia.pl abv.bg telia.com`.split(/\s+/),
);

/** Whether a role begins with these three letters: by the numbers of the letters, from `a` 0 to `z` 25. */
const roleBeginnings = new Uint8Array(26 ** 3);
const numberOfLetter = (text: string, at: number) => text.charCodeAt(at) - 97;
for (const role of roles) {
  const [a, b, c] = [0, 1, 2].map((at) => numberOfLetter(role, at)) as [number, number, number];
  if (c >= 0 && c < 26) roleBeginnings[(a * 26 + b) * 26 + c] = 1;
}

/** Whether the first three are letters with which no role begins: so it is for most addresses. */
function beginsLikeNoRole(local: string): boolean {
  if (local.length < 3) return false;
  const a = numberOfLetter(local, 0);
  const b = numberOfLetter(local, 1);
  const c = numberOfLetter(local, 2);
  if (a < 0 || a > 25 || b < 0 || b > 25 || c < 0 || c > 25) return false;
  return roleBeginnings[(a * 26 + b) * 26 + c] === 0;
}

/** `info`, `Sales2`, `no-reply`, `support+shop`, `kontakt.berlin`: the mailbox of a role, not of a person. `local` is in lower case. */
export function isRoleMailbox(local: string): boolean {
  if (beginsLikeNoRole(local)) return false;
  if (roles.has(local)) return true;
  const plus = local.indexOf('+');
  const bare = (plus > 0 ? local.slice(0, plus) : local).replace(/\d+$/, '');
  // Short words are roles only as they are: ar20 and a.r are more often the initials of a person.
  if (bare.length <= 3) return bare === 'hr' || (plus > 0 && roles.has(bare));
  const [first = ''] = bare.split(/[._-]/, 1);
  return roles.has(bare) || roles.has(bare.replace(/[._-]/g, '')) || (first.length > 3 && roles.has(first));
}

/** Whether the domain gives addresses to anybody. */
export const isProvider = (domain: string): boolean => providers.has(domain);

/** The local part without what people add after a plus. */
export function withoutTag(local: string): string {
  const plus = local.indexOf('+');
  return plus > 0 ? local.slice(0, plus) : local;
}

export const withoutDots = (local: string): string => withoutTag(local).replaceAll('.', '');

/** Whether ann.lee and annlee are one mailbox there. */
export const ignoresDots = (domain: string): boolean => domain === 'gmail.com' || domain === 'googlemail.com';
