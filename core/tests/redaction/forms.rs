//! The formats that people keep names and values in, each with its ways of quoting, from the formats' own
//! documentation. `«K»` is the name, `«V»` the value as the format writes it. Knows no sinkwell code.

use crate::draw::{
    Draw, backtick, bare, base64, braces, doubled, envline, json, json2, json3, libpq, literal, percent, raw,
    shell_double, single, xml, yaml_plain, yaml_single,
};

/// How names are written in a format.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Names {
    /// `db_password`, `DB_PASSWORD`, `dbPassword`, `DbPassword`, `dbpassword`, `DBPASSWORD`, `DB__PASSWORD`.
    Word,
    /// Those, and `db-password`, `db.password`, `Db-Password`.
    Any,
    /// `db-password`, `Db-Password`, `X-Db-Password`.
    Header,
    /// `DB_PASSWORD`, `DBPASSWORD`.
    Env,
    /// `db-password`, `db_password`.
    Option,
}

pub(crate) struct Form {
    pub(crate) format: &'static str,
    pub(crate) quoting: &'static str,
    template: &'static str,
    encode: fn(&str) -> Option<String>,
    names: Names,
}

const fn form(
    format: &'static str,
    quoting: &'static str,
    names: Names,
    encode: fn(&str) -> Option<String>,
    template: &'static str,
) -> Form {
    Form { format, quoting, template, encode, names }
}

use Names::{Any, Env, Header, Option as Flag, Word};

pub(crate) const FORMS: &[Form] = &[
    form("json", "double", Any, json, r#"{"n":7,"«K»":"«V»","ok":true}"#),
    form("json", "double", Any, json, r#"{"«K»":"«V»"}"#),
    form("json", "spaced", Any, json, "{\n  \"n\" : 7,\n  \"«K»\" : \"«V»\",\n  \"list\" : [1, 2]\n}\n"),
    form("json", "wrapped", Any, json, "{\n    \"«K»\":\n        \"«V»\"\n}\n"),
    form("json", "escaped once", Any, json2, r#"{"body":"{\"n\":1,\"«K»\":\"«V»\",\"m\":2}","code":200}"#),
    form("json", "escaped once", Any, json2, r#"msg="{\"«K»\": \"«V»\"}" level=info"#),
    form("json", "escaped twice", Any, json3, r#"{"a":"{\"b\":\"{\\\"«K»\\\":\\\"«V»\\\",\\\"n\\\":1}\"}"}"#),
    form("yaml", "plain", Any, yaml_plain, "service:\n  «K»: «V»\n  port: 8080\n"),
    form("yaml", "plain", Any, yaml_plain, "«K»: «V»\n"),
    form("yaml", "list", Any, yaml_plain, "env:\n  - name: x\n  - «K»: «V»\n"),
    form("yaml", "single", Any, yaml_single, "service:\n    «K»: '«V»'  # from the vault\n    port: 1\n"),
    form("yaml", "double", Any, json, "service: { «K»: \"«V»\", port: 1 }\n"),
    form("yaml", "flow", Any, yaml_plain, "{«K»: «V», port: 80}"),
    form("toml", "basic", Any, json, "[server]\n«K» = \"«V»\"\nport = 1\n"),
    form("toml", "literal", Any, literal, "«K» = '«V»'\n"),
    form("toml", "inline", Any, json, "db = { «K» = \"«V»\", pool = 5 }\n"),
    form("ini", "plain", Any, envline, "[db]\n«K»=«V»\nhost=db.local\n"),
    form("ini", "spaced", Any, bare, "[db]\n«K» = «V»\nhost = db.local\n"),
    form("ini", "double", Any, shell_double, "«K»=\"«V»\"\n"),
    form("env", "plain", Env, envline, "PORT=8080\n«K»=«V»\nDEBUG=1\n"),
    form("env", "double", Env, shell_double, "PORT=8080\n«K»=\"«V»\"\n"),
    form("env", "single", Env, literal, "«K»='«V»'\nDEBUG=1\n"),
    form("shell", "plain", Env, bare, "export «K»=«V» && make run"),
    form("shell", "single", Env, literal, "export «K»='«V»'; ./run.sh"),
    form("shell", "double", Env, shell_double, "«K»=\"«V»\" ./run.sh --fast"),
    form("shell", "argument", Flag, bare, "tool login --«K» «V» --verbose"),
    form("shell", "argument", Flag, bare, "tool login --«K»=«V» --verbose"),
    form("shell", "argument single", Flag, literal, "tool --«K» '«V»' -x"),
    form("shell", "argument double", Flag, shell_double, "tool --«K»=\"«V»\" -x"),
    form("shell", "wrapped", Flag, bare, "docker run \\\n    --«K» «V» \\\n    image:1\n"),
    form("shell", "docker", Env, bare, "docker run -e «K»=«V» -p 80:80 image"),
    form(
        "url",
        "query",
        Any,
        percent,
        "GET https://api.example.net/v1/items?page=2&«K»=«V»&sort=up HTTP/1.1",
    ),
    form("url", "query", Any, percent, "https://api.example.net/v1?«K»=«V»"),
    form("url", "fragment", Any, percent, "https://app.example.net/cb#«K»=«V»&state=up"),
    form("url", "form", Any, percent, "grant=x&«K»=«V»"),
    form(
        "header",
        "plain",
        Header,
        bare,
        "POST /v1 HTTP/1.1\r\nHost: api.example.net\r\n«K»: «V»\r\nAccept: */*\r\n\r\n",
    ),
    form("header", "two blanks", Header, bare, "«K»:  «V»\r\n"),
    form("header", "no blank", Header, bare, "Accept: */*\n«K»:«V»\nHost: a.example.net\n"),
    form("header", "curl", Header, bare, "curl -H '«K»: «V»' -d @body.txt https://api.example.net"),
    form("header", "curl", Header, bare, "curl -s -H \"«K»: «V»\" https://api.example.net | jq ."),
    form("header", "json", Header, json, r#"{"headers":{"accept":"*/*","«K»":"«V»"}}"#),
    form("connection", "plain", Word, bare, "Server=db;Database=app;«K»=«V»;Timeout=30"),
    form("connection", "plain", Word, bare, "Server=db;«K»=«V»"),
    form("connection", "braces", Word, braces, "Driver={ODBC Driver 18};Server=db;«K»={«V»};Encrypt=yes"),
    form("connection", "double", Word, doubled, "Server=db;«K»=\"«V»\";Timeout=30"),
    form("connection", "single", Word, literal, "Server=db;«K»='«V»';Timeout=30"),
    form("connection", "libpq", Word, bare, "host=db «K»=«V» dbname=app"),
    form("connection", "libpq single", Word, libpq, "host=db «K»='«V»' dbname=app"),
    form("connection", "json", Word, |v| json(&bare(v)?), r#"{"cs":"Server=db;«K»=«V»;Timeout=30"}"#),
    form("log", "plain", Any, bare, "2026-11-21T10:20:30.123Z INFO auth: «K»=«V» user=7 took=12ms"),
    form("log", "double", Any, json, "level=info msg=\"signed in\" «K»=\"«V»\" took=12ms"),
    form("log", "colon", Any, bare, "2026-11-21 10:20:30,123 - app - DEBUG - «K»: «V»"),
    form("log", "bracketed", Any, bare, "[debug] request (id 7) [«K»=«V»] done"),
    form("log", "comma", Any, bare, "Config(host=db, «K»=«V», port=1)"),
    form("python", "single", Word, single, "«K» = '«V»'\nconnect()\n"),
    form("python", "double", Word, json, "    self.«K» = \"«V»\"  # fixed\n"),
    form("python", "dict", Any, single, "{'n': 7, '«K»': '«V»', 'ok': True}"),
    form("python", "argument", Word, json, "connect(host=\"db\", «K»=\"«V»\", port=1)"),
    form("python", "bytes", Word, |v| if v.is_ascii() { single(v) } else { None }, "«K» = b'«V»'\n"),
    form("python", "typed", Word, json, "class C:\n    «K»: str = \"«V»\"\n"),
    form("python", "wrapped", Word, json, "«K» = (\n    \"«V»\"\n)\n"),
    form("python", "item", Any, json, "os.environ[\"«K»\"] = \"«V»\"\n"),
    form("javascript", "single", Word, single, "const «K» = '«V»';\n"),
    form("javascript", "double", Word, json, "  «K»: \"«V»\",\n  port: 1,\n"),
    form("javascript", "backtick", Word, backtick, "let «K» = `«V»`;\n"),
    form("javascript", "object", Word, single, "connect({ host: 'db', «K»: '«V»', port: 1 });"),
    form("javascript", "quoted name", Any, single, "x = {'«K»': '«V»'};"),
    form("javascript", "property", Word, json, "process.env.«K» = \"«V»\";"),
    form("ruby", "arrow", Any, single, "{ '«K»' => '«V»', 'n' => 1 }"),
    form("go", "short", Word, json, "\t«K» := \"«V»\"\n"),
    form("rust", "typed", Word, json, "    let «K»: &str = \"«V»\";\n"),
    form("xml", "element", Any, xml, "<db>\n  <«K»>«V»</«K»>\n  <port>1</port>\n</db>"),
    form("xml", "attribute", Any, xml, "<add key=\"x\" «K»=\"«V»\" port=\"1\"/>"),
];

/// Places for what announces itself, where no name stands.
pub(crate) const PLACES: &[Form] = &[
    form("prose", "plain", Word, raw, "Please use «V» from now on."),
    form("prose", "end", Word, raw, "It was «V»."),
    form("prose", "alone", Word, raw, "«V»"),
    form("prose", "brackets", Word, raw, "(see «V») and go on"),
    form("prose", "comma", Word, raw, "one, «V», three"),
    form("prose", "lines", Word, raw, "first line\n\t  «V»\nlast line\n"),
    form("prose", "crlf", Word, raw, "first line\r\n«V»\r\nlast line\r\n"),
    form("markdown", "code", Word, raw, "Run it with `«V»` instead."),
    form("markdown", "angle", Word, raw, "- item <«V»>\n- item"),
    form("markdown", "table", Word, raw, "| a | b |\n| - | - |\n| «V» | 2 |"),
    form("markdown", "bold", Word, raw, "this **«V»** one"),
    form("python", "list", Word, single, "xs = ['«V»', 'b']"),
    form("json", "list", Word, json, r#"["a","«V»",3]"#),
    form("json", "list escaped", Word, json2, r#"{"args":"[\"a\",\"«V»\"]"}"#),
    form(
        "csv",
        "plain",
        Word,
        |v| if v.contains([',', '"', '\n']) { None } else { raw(v) },
        "id,what\n7,«V»\n8,x\n",
    ),
    form("csv", "double", Word, |v| raw(&v.replace('"', "\"\"")), "\"id\",\"what\"\n\"7\",\"«V»\"\n"),
    form("tsv", "plain", Word, raw, "7\t«V»\tx\n"),
    form("typographic", "quotes", Word, raw, "he said “«V»” twice"),
    form("typographic", "guillemets", Word, raw, "il a dit «\u{a0}«V»\u{a0}» deux fois"),
    form("script", "chinese", Word, raw, "联系«V»谢谢"),
    form("script", "chinese marks", Word, raw, "联系：«V»。谢谢"),
    form("script", "japanese", Word, raw, "こちら「«V»」です"),
    form("script", "korean", Word, raw, "여기«V»입니다"),
    form("script", "arabic", Word, raw, "هنا «V» شكرا"),
    form("script", "hebrew", Word, raw, "הנה «V» תודה"),
    form("script", "hindi", Word, raw, "यहाँ «V» धन्यवाद"),
    form("script", "thai", Word, raw, "ติดต่อ«V»ขอบคุณ"),
    form("script", "cyrillic", Word, raw, "вот «V» спасибо"),
    form("script", "cyrillic joined", Word, raw, "для«V»или"),
    form("script", "cyrillic look-alikes", Word, raw, "рука«V»ухо да"),
    form("script", "greek joined", Word, raw, "για«V»και"),
    form("script", "emoji", Word, raw, "🔑«V»🔒"),
    form("script", "accents", Word, raw, "clé «V» là"),
];

/// Words of a name, joined in one of the ways of the format.
pub(crate) fn name(words: &[&str], names: Names, draw: &mut Draw) -> String {
    let capital = |w: &&str| {
        let mut letters = w.chars();
        letters.next().map_or(String::new(), |c| c.to_uppercase().chain(letters).collect())
    };
    let capitals: Vec<String> = words.iter().map(capital).collect();
    let ways: &[usize] = match names {
        Word => &[0, 1, 2, 2, 3, 4, 5, 6],
        Any => &[0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9],
        Header => &[7, 9, 9, 10],
        Env => &[1, 1, 5],
        Flag => &[7, 7, 0],
    };
    match draw.one(ways) {
        0 => words.join("_"),
        1 => words.join("_").to_uppercase(),
        2 => format!("{}{}", words[0], capitals[1..].concat()),
        3 => capitals.concat(),
        4 => words.concat(),
        5 => words.concat().to_uppercase(),
        6 => words.join("__").to_uppercase(),
        7 => words.join("-"),
        8 => words.join("."),
        9 => capitals.join("-"),
        _ => format!("X-{}", capitals.join("-")),
    }
}

impl Form {
    /// A fifth of formats × quotings is held out: nobody looks at them while detectors are written.
    pub(crate) fn held_out(&self) -> bool {
        let hash = self.format.bytes().chain(*b"/").chain(self.quoting.bytes());
        hash.fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3)) >> 7
            & 0xFFFF
            < 0x3333
    }

    pub(crate) fn names(&self) -> Names {
        self.names
    }

    /// The text, and where each of `marks` (strings of the value) stands in it, as the format writes them.
    pub(crate) fn write(
        &self,
        name: &str,
        value: &str,
        marks: &[&str],
        blanks: bool,
    ) -> Option<(String, Vec<(usize, usize)>)> {
        let encode = if blanks && self.quoting != "json" { raw } else { self.encode };
        let written = encode(value)?;
        let template = self.template.replace("«K»", name);
        let (before, after) = template.split_once("«V»")?;
        let mut spans = Vec::new();
        let mut from = 0;
        for mark in marks {
            let mark = encode(mark)?;
            let at = from + written[from..].find(&mark)?;
            spans.push((before.len() + at, before.len() + at + mark.len()));
            from = at + mark.len();
        }
        Some((format!("{before}{written}{after}"), spans))
    }
}

/// A user and a password as HTTP's Basic scheme writes them.
pub(crate) fn basic(draw: &mut Draw) -> String {
    let user = draw.of(crate::draw::LOWER, 6);
    let n = draw.between(6, 20);
    base64(format!("{user}:{}", draw.of(crate::draw::ALNUM, n)).as_bytes(), crate::draw::B64, true)
}
