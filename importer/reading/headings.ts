import { fold } from '@aether/platform/folding';
import type { PlainField } from './mapping.ts';

/*
 * What the headings of customer lists mean, in the languages of their makers. A heading is a label: people translate and rename it, so it
 * is only a proposal, and the values of the column have to agree (shapes.ts).
 */

/** Headings in several languages, folded (headingKey), separated by |. */
const meanings: Record<PlainField, string> = {
  id:
    'id|record id|contact id|customer id|user id|person id|external id|unique id|uid|uuid|guid|customer number|customer no|account number|member id|legacy id' +
    '|datensatz id|kundennummer|kunden nr|kundennr|kontakt id|id de registro|id del registro|id do registro|id de l enregistrement|id enregistrement' +
    '|numero client|numero de cliente|klantnummer|record nr|post id|kundnummer|kundenummer|id rekordu|tietueen id|tietuetunnus|レコードid|レコード id|记录 id|紀錄 id|record id hubspot',
  email:
    'email|e mail|mail|email address|e mail address|emailaddress|primary email|work email|business email|personal email|home email|user email|contact email' +
    '|secondary email|additional email addresses|other emails|other email|email 2|email 3|e mail 2 address|e mail 3 address|email work|email home|email other' +
    '|e mail adresse|emailadresse|mailadresse|weitere e mail adressen|zusatzliche e mail adressen|adresse e mail|adresse email|courriel|adresse electronique|adresses e mail supplementaires' +
    '|correo|correo electronico|direccion de correo|direcciones de correo electronico adicionales|indirizzo email|indirizzo e mail|posta elettronica|indirizzi e mail aggiuntivi' +
    '|e mailadres|e mailadressen|extra e mailadressen|endereco de e mail|enderecos de e mail adicionais|e postadress|e post|epost|e postadresse|e mailadresse|sahkoposti|sahkopostiosoite' +
    '|adres e mail|eposta|e posta|メール|eメール|メールアドレス|追加のメールアドレス|电子邮件|电子邮箱|邮箱|電子郵件|이메일',
  name:
    'name|full name|fullname|display name|contact name|customer name|person name|contact|kontakt|vollstandiger name|kontaktname|nom complet|nombre completo|nome completo|nome e cognome|volledige naam|naam|fullstandigt namn|namn|navn|fulde navn' +
    '|koko nimi|nimi|imie i nazwisko|氏名|お名前|名前|姓名|全名|이름|nazwa|ad soyad',
  first_name:
    'first name|firstname|given name|givenname|forename|fname|first|vorname|prenom|nombre|nombres|nome|primeiro nome|voornaam|fornamn|fornavn|etunimi|imie|名|名字|ad',
  last_name:
    'last name|lastname|surname|family name|familyname|lname|last|nachname|familienname|zuname|nom|nom de famille|apellido|apellidos|cognome|sobrenome|achternaam|efternamn|efternavn|etternavn|sukunimi|nazwisko|姓|姓氏|soyad',
  phone:
    'phone|phone number|phonenumber|telephone|telephone number|tel|mobile|mobile phone|mobile phone number|mobile number|mobilephone|cell|cell phone|cellphone|work phone|business phone|business phone 2|home phone|home phone 2|primary phone|other phone|company main phone|phone work|phone home|phone mobile|phone other|contact number|whatsapp phone number' +
    '|telefon|telefonnummer|telefon nr|rufnummer|mobiltelefon|mobilnummer|handy|handynummer|mobiltelefonnummer|festnetz|numero de telephone|telephone portable|portable|numero de telephone portable|mobile telephone' +
    '|telefono|numero de telefono|numero de telefono movil|movil|celular|numero di telefono|cellulare|numero di cellulare|telefoonnummer|telefoon|mobiel|mobiel nummer|mobiel telefoonnummer|telefone|numero de telefone|celular numero|numero de celular' +
    '|mobiltelefonnummer|puhelinnumero|puhelin|matkapuhelin|numer telefonu|telefon komorkowy|numer telefonu komorkowego|電話番号|電話|携帯電話番号|携帯電話|电话|电话号码|手机|電話號碼|전화번호|telefon numarasi',
  company:
    'company|company name|organization|organisation|organization name|organisation name|account|account name|associated company|associated company primary|employer|firm|organization 1 name|customer company' +
    '|firma|unternehmen|firmenname|unternehmensname|name des unternehmens|organisationsname|entreprise|nom de l entreprise|societe|nom de la societe|empresa|nombre de la empresa|nome da empresa|azienda|nome azienda|nome dell azienda|societa|bedrijf|bedrijfsnaam|foretag|foretagsnamn|virksomhed|virksomhedsnavn|yritys|yrityksen nimi|nazwa firmy|会社|会社名|公司|公司名称|회사|sirket',
  domain:
    'domain|company domain|company domain name|website|website url|web site|url|homepage|web page|webseite|internetseite|site web|url du site web|sitio web|pagina web|sito web|url sito web|website|site|ウェブサイト|ウェブサイトurl|网站',
  city: 'city|town|home city|business city|mailing city|mailingcity|address 1 city|address city|postal city|location city|stadt|ort|wohnort|ville|ciudad|citta|plaats|stad|woonplaats|cidade|by|kaupunki|miasto|市区町村|市|城市|도시|sehir',
  birth_date:
    'birth date|birthdate|birthday|date of birth|dob|born|geburtsdatum|geburtstag|date de naissance|anniversaire|fecha de nacimiento|cumpleanos|data di nascita|compleanno|geboortedatum|data de nascimento|fodelsedatum|fodselsdato|syntymaaika|data urodzenia|生年月日|誕生日|出生日期|생년월일|dogum tarihi',
  tier: 'tier|account tier|customer tier|plan|plan name|subscription plan|segment|customer segment|tarif|kundenstufe|stufe|niveau|nivel|livello',
  owner:
    'owner|contact owner|account owner|lead owner|record owner|owner name|contact owner name|account manager|sales rep|assigned to|responsible|betreuer|zustandiger mitarbeiter|kontakt inhaber|kontakteigentumer|kontaktinhaber|kontakt besitzer|besitzer|proprietaire du contact|proprietaire|propietario del contacto|propietario|proprietario del contatto|proprietario|eigenaar|contacteigenaar|eigenaar van contactpersoon|proprietario do contato|kontaktagare|agare|kontaktejer|ejer|omistaja|yhteyshenkilon omistaja|wlasciciel|wlasciciel kontaktu|コンタクト担当者|担当者|联系人所有者|連絡人擁有者|sahip',
  language:
    'language|preferred language|locale|lang|sprache|bevorzugte sprache|langue|langue preferee|idioma|idioma preferido|lingua|lingua preferita|taal|voorkeurstaal|sprak|sprog|kieli|jezyk|言語|希望言語|语言|dil',
  timezone:
    'timezone|time zone|tz|iana time zone|zeitzone|fuseau horaire|zona horaria|fuso orario|tijdzone|fuso horario|tidszon|tidszone|aikavyohyke|strefa czasowa|タイムゾーン|时区|saat dilimi',
  created_at:
    'created at|created|created date|createdate|create date|createddate|created on|created time|creation date|date created|signed up|signed up at|sign up date|signup date|registered|registered at|registration date|add time|person created|customer since|member since' +
    '|erstellt|erstellt am|erstellungsdatum|erstelldatum|angelegt am|date de creation|cree le|fecha de creacion|creado el|data di creazione|creato il|aanmaakdatum|gemaakt op|data de criacao|criado em|skapad|skapelsedatum|skapandedatum|oprettet|oprettelsesdato|oprettet den|luotu|luontipaiva|data utworzenia|utworzono|作成日|作成日時|创建日期|建立日期|olusturma tarihi',
  note: 'note|notes|comment|comments|description|remarks|details|about|notiz|notizen|bemerkung|bemerkungen|beschreibung|note|remarques|commentaires|notas|observaciones|comentarios|descrizione|notities|opmerkingen|observacoes|anteckningar|noter|muistiinpanot|notatki|uwagi|メモ|備考|备注|notlar',
  tag: 'tag|tags|label|labels|categories|category|group membership|groups|schlagworter|kategorien|etiquettes|etiquetas|etichette|labels|categorias|etiketter|tunnisteet|etykiety|タグ|标签|etiketler',
};

const fieldByHeading = new Map<string, PlainField>();
for (const [field, headings] of Object.entries(meanings))
  for (const heading of headings.split('|'))
    if (!fieldByHeading.has(heading)) fieldByHeading.set(heading, field as PlainField);

/** A heading as it is compared: folded, words separated by one space, without the * that marks a required column. */
export function headingKey(heading: string): string {
  return fold(heading.replace(/['’]/g, ' '))
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

const inner = /([\p{Ll}\p{N}])(\p{Lu})/gu;

/** What a heading means by itself; undefined if no list of headings has it. */
export function fieldOfHeading(heading: string): PlainField | undefined {
  const key = headingKey(heading);
  const found = fieldByHeading.get(key);
  if (found) return found;
  // userEmail, FIRST_NAME and "Email (work)" mean the same as their plain form.
  const apart = headingKey(heading.replace(inner, '$1 $2'));
  const bare = apart.replace(/ (?:\d+|primary|work|home|main|private|privat|business|mobile|value)$/, '');
  return (
    fieldByHeading.get(apart) ??
    fieldByHeading.get(bare) ??
    fieldByHeading.get(apart.replace(/^(?:person|contact|customer|user|client|lead|kunde|kunden|kontakt) /, ''))
  );
}
