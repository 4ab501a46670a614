use std::collections::HashSet;

use tidings_domain::{ColumnTarget, EmailAddress, merge_tag};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::import::cells::address_text;

/// Headings without spaces and hyphens, English first.
const EMAIL: &[&str] = &[
    "email",
    "emailaddress",
    "mail",
    "mailaddress",
    "emailaddr",
    "eaddress",
    "emailadresse",
    "mailadresse",
    "emailadres",
    "mailadres",
    "epost",
    "epostadress",
    "epostadresse",
    "eposta",
    "sahkoposti",
    "sahkopostiosoite",
    "correo",
    "correoelectronico",
    "direcciondecorreo",
    "direcciondecorreoelectronico",
    "courriel",
    "adressemail",
    "adresseemail",
    "adressecourriel",
    "indirizzoemail",
    "postaelettronica",
    "enderecodeemail",
    "correioeletronico",
    "adresemail",
    "adresaemail",
    "emailcim",
    "drotoveposta",
    "почта",
    "электроннаяпочта",
    "эпочта",
    "элпочта",
    "емейл",
    "имейл",
    "メール",
    "メールアドレス",
    "电子邮件",
    "邮箱",
    "電子郵件",
    "이메일",
    "البريدالإلكتروني",
    "ηλεκτρονικοταχυδρομειο",
    "emailid",
    "useremail",
    "contactemail",
    "subscriberemail",
    "primaryemail",
    "workemail",
    "personalemail",
    "email1",
    "email1value",
    "emailprimary",
];
const FIRST_NAME: &[&str] = &[
    "first",
    "firstname",
    "fname",
    "givenname",
    "forename",
    "christianname",
    "vorname",
    "rufname",
    "voornaam",
    "prenom",
    "nombre",
    "nombres",
    "primernombre",
    "nome",
    "primeironome",
    "imie",
    "fornavn",
    "fornamn",
    "etunimi",
    "keresztnev",
    "utonev",
    "jmeno",
    "krestnijmeno",
    "prenume",
    "ad",
    "adi",
    "isim",
    "имя",
    "名",
    "名字",
    "이름",
    "ονομα",
];
const LAST_NAME: &[&str] = &[
    "last",
    "lastname",
    "lname",
    "surname",
    "familyname",
    "secondname",
    "nachname",
    "familienname",
    "zuname",
    "achternaam",
    "familienaam",
    "nomdefamille",
    "apellido",
    "apellidos",
    "cognome",
    "sobrenome",
    "apelido",
    "ultimonome",
    "nazwisko",
    "etternavn",
    "efternavn",
    "efternamn",
    "sukunimi",
    "vezeteknev",
    "csaladnev",
    "prijmeni",
    "priezvisko",
    "nume",
    "numedefamilie",
    "soyad",
    "soyadi",
    "фамилия",
    "姓",
    "성",
    "επωνυμο",
];
/// Headings that mean a last name only where another column has the first name: German "Name", French "Nom".
const NAME_BESIDE_FIRST: &[&str] = &["name", "nom", "naam", "navn", "namn"];
/// Where this share of the sample's filled cells are addresses, the column is taken for them, in per cent.
const ADDRESS_SHARE: usize = 50;

/// What each column becomes, by its heading and by what stands in the sample's rows. At most one column is the address.
pub(crate) fn recognise_columns(headers: &[String], rows: &[Vec<String>]) -> Vec<ColumnTarget> {
    let plain: Vec<String> = headers.iter().map(|h| plain(h)).collect();
    let email = email_column(&plain, rows);
    let by_name = |words: &[&str]| plain.iter().position(|h| is_one_of(h, words));
    let first = by_name(FIRST_NAME).filter(|i| Some(*i) != email);
    let last =
        by_name(LAST_NAME).or_else(|| first.and_then(|_| by_name(NAME_BESIDE_FIRST))).filter(|i| Some(*i) != email);
    let mut used = HashSet::new();
    let target = |(i, header): (usize, &String)| match Some(i) {
        at if at == email => ColumnTarget::Email,
        at if at == first => ColumnTarget::FirstName,
        at if at == last => ColumnTarget::LastName,
        _ => ColumnTarget::Attribute(unique(merge_tag(header), &mut used)),
    };
    headers.iter().enumerate().map(target).collect()
}

/// Whether a cell is an address, as far as the look of a file goes.
pub(crate) fn is_address(cell: &str) -> bool {
    EmailAddress::parse(address_text(cell)).is_ok()
}

fn email_column(plain: &[String], rows: &[Vec<String>]) -> Option<usize> {
    let named = |i: &usize| is_one_of(&plain[*i], EMAIL);
    let shares: Vec<Option<usize>> = (0..plain.len()).map(|i| address_share(i, rows)).collect();
    // A heading is believed unless the cells below it are all something else.
    let by_heading = (0..plain.len()).filter(named).find(|i| shares[*i] != Some(0));
    let by_content = || {
        let good = (0..plain.len()).filter(|i| shares[*i].is_some_and(|s| s >= ADDRESS_SHARE));
        good.max_by_key(|i| (shares[*i], std::cmp::Reverse(*i)))
    };
    by_heading.or_else(by_content)
}

/// Per cent of the filled cells that are addresses; nothing when none is filled.
fn address_share(column: usize, rows: &[Vec<String>]) -> Option<usize> {
    let filled: Vec<&String> =
        rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.trim().is_empty()).collect();
    let addresses = filled.iter().filter(|cell| is_address(cell)).count();
    (!filled.is_empty()).then(|| (addresses * 100).div_ceil(filled.len()))
}

/// Letters and digits in lower case, without accents: `E-Mail Adresse` is `emailadresse`.
fn plain(heading: &str) -> String {
    let letters = heading.nfkd().filter(|c| !is_combining_mark(*c) && c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).map(|c| if c == 'ø' { 'o' } else { c }).nfc().collect()
}

/// The words go through [`plain`] as well, because it takes marks off that belong to letters of other scripts (ド, й).
fn is_one_of(heading: &str, words: &[&str]) -> bool {
    words.iter().any(|word| plain(word) == heading)
}

fn unique(name: String, used: &mut HashSet<String>) -> String {
    let mut candidate = name.clone();
    let mut n = 2;
    while !used.insert(candidate.clone()) {
        candidate = format!("{name}_{n}");
        n += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &[&str], expected: &[&str]) {
        let cells = |row: &&str| row.split(',').map(str::to_owned).collect::<Vec<_>>();
        let rows: Vec<Vec<String>> = table[1..].iter().map(cells).collect();
        let found: Vec<String> = recognise_columns(&cells(&table[0]), &rows).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{table:?}");
    }

    #[test]
    fn headings_in_many_languages() {
        check(&["email,first,last,city"], &["email", "first_name", "last_name", "attribute:city"]);
        check(&["Correo electrónico,Nombre,Apellidos"], &["email", "first_name", "last_name"]);
        check(&["Prénom,Nom,Courriel"], &["first_name", "last_name", "email"]);
        check(&["Vorname,Name,E-Mail-Adresse"], &["first_name", "last_name", "email"]);
        check(&["Voornaam,Achternaam,E-mailadres"], &["first_name", "last_name", "email"]);
        check(&["Imię,Nazwisko,E-mail"], &["first_name", "last_name", "email"]);
        check(&["Имя,Фамилия,Электронная почта"], &["first_name", "last_name", "email"]);
        check(&["姓,名,メールアドレス"], &["last_name", "first_name", "email"]);
        check(&["Fornavn,Etternavn,E-post"], &["first_name", "last_name", "email"]);
    }

    #[test]
    fn content_decides_where_headings_do_not() {
        check(&["Kontakt,Ort", "ana@example.org,Rom", "bo@example.org,Bonn"], &["email", "attribute:ort"]);
        check(&["Email,Address", "yes,ana@example.org", "no,bo@example.org"], &["attribute:field_email", "email"]);
        check(
            &["Email,Backup", "broken,x@example.org", "ana@example.org,y@example.org"],
            &["email", "attribute:backup"],
        );
        check(&["Name,Ort", "Ana,Rom"], &["attribute:name", "attribute:ort"]);
    }

    #[test]
    fn attribute_names_are_unique() {
        check(&["mail,Plan,plan,PLAN!"], &["email", "attribute:plan", "attribute:plan_2", "attribute:plan_3"]);
    }
}
