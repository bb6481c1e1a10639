import { canonicaliseDomain } from '@aether/platform';
import { parse } from 'tldts';

/*
 * The domain that names a company. Tenants of a shared host and people at a mail provider have a registrable domain in common without being
 * one company, so such domains name nobody. The private part of the public suffix list knows many of them (github.io, myshopify.com), and not
 * those below. The list takes 1.5 MB, so whoever needs a domain imports this module then.
 */

const sharedHosts = new Set(
  `onmicrosoft.com zendesk.com freshdesk.com intercom.io intercom-mail.com hubspot.com salesforce.com force.com pipedrive.com zoho.com zoho.eu
facebook.com linkedin.com instagram.com twitter.com x.com youtube.com tiktok.com xing.com github.com gitlab.com medium.com notion.site
google.com sites.google.com wordpress.com blogspot.com wixsite.com squarespace.com webflow.io weebly.com tumblr.com etsy.com ebay.com amazon.com
linktr.ee t.co bit.ly sharepoint.com dropbox.com slack.com atlassian.net myshopify.com shopify.com business.site jimdo.com jimdofree.com
gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com rocketmail.com aol.com icloud.com me.com mac.com
proton.me protonmail.com pm.me gmx.net gmx.de gmx.at gmx.ch gmx.com web.de t-online.de freenet.de arcor.de posteo.de mailbox.org hey.com
fastmail.com fastmail.fm zohomail.com tutanota.com tuta.io mail.com mail.ru yandex.ru yandex.com bk.ru inbox.ru list.ru qq.com 163.com 126.com
sina.com foxmail.com naver.com daum.net hanmail.net orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it virgilio.it tiscali.it alice.it
hotmail.co.uk hotmail.fr hotmail.de hotmail.it hotmail.es live.co.uk live.fr outlook.fr outlook.de outlook.es yahoo.co.uk yahoo.fr yahoo.de yahoo.it
yahoo.es yahoo.co.jp yahoo.co.in yahoo.com.br btinternet.com sky.com virginmedia.com comcast.net verizon.net att.net sbcglobal.net bellsouth.net
cox.net charter.net uol.com.br bol.com.br terra.com.br ziggo.nl kpnmail.nl planet.nl telenet.be skynet.be bluewin.ch seznam.cz wp.pl o2.pl onet.pl
interia.pl docomo.ne.jp ezweb.ne.jp softbank.ne.jp rediffmail.com privaterelay.appleid.com`.split(/\s+/),
);

const companies = new Map<string, string | null>();
const companiesMax = 50_000;

/**
 * The registrable domain of a website, host or address: `https://www.shop.example.co.uk/about` → example.co.uk.
 *
 * @returns null if the text names no domain, or one that many companies share
 */
export function companyDomainOf(text: string): string | null {
  const cached = companies.get(text);
  if (cached !== undefined) return cached;
  if (companies.size >= companiesMax) companies.clear();
  const found = findDomain(text);
  companies.set(text, found);
  return found;
}

function findDomain(text: string): string | null {
  const host = text
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')
    .replace(/^.*@/s, '')
    .replace(/[/?#:].*$/s, '');
  const canonical = canonicaliseDomain(host);
  if (!canonical) return null;
  const { domain, isIp } = parse(canonical, { allowPrivateDomains: true, validateHostname: false });
  if (!domain || isIp || sharedHosts.has(domain)) return null;
  // A tenant of a host on the private list has a domain of its own; a list that has only the host's plain name is above.
  const { domain: plain } = parse(canonical, { validateHostname: false });
  return plain && sharedHosts.has(plain) ? null : domain;
}
