//! What reading a regular expression costs that is blind to case.
//!
//! Guarantees: of all regular expressions of a source together the case of at most [`MOST`] characters is looked up.
//! Everything else of a pattern is bounded by its length and by the size of what it is compiled to; this is not: where
//! `(?i)` holds, a class is unfolded character by character, so that `[!-\x{10ffff}]` alone takes milliseconds, before
//! any limit of the compiler is asked.
//!
//! How: classes are put together without `(?i)`, which is cheap, and their ranges counted as the compiler would walk
//! them: those that hold any character with a case, from end to end.

use std::sync::OnceLock;

use regex_syntax::ast::{
    Ast, ClassBracketed, ClassSet, ClassSetItem, ClassUnicode, Flag, Flags, GroupKind, parse::ParserBuilder,
};
use regex_syntax::hir::translate::Translator;
use regex_syntax::hir::{Class, HirKind};

/// Characters whose case is looked up for one source.
pub(super) const MOST: usize = 100_000;
/// What putting a class together counts for, in characters.
const EACH: usize = 2_000;

/// How many characters' case reading this pattern looks up, counted up to a little over [`MOST`]. For what is no pattern 0:
/// the compiler says why.
pub(super) fn folded(pattern: &str, nest_limit: u32) -> usize {
    let Ok(ast) = ParserBuilder::new().nest_limit(nest_limit).build().parse(pattern) else { return 0 };
    let mut count = Count { pattern, total: 0 };
    count.of(&ast, &mut false);
    count.total
}

struct Count<'p> {
    pattern: &'p str,
    total: usize,
}

impl Count<'_> {
    /// `blind`: whether `(?i)` holds here; changed for what follows in the same group.
    fn of(&mut self, ast: &Ast, blind: &mut bool) {
        match ast {
            _ if self.total > MOST => {}
            Ast::Flags(set) => change(&set.flags, blind),
            Ast::Group(group) => {
                let mut inner = *blind;
                if let GroupKind::NonCapturing(flags) = &group.kind {
                    change(flags, &mut inner);
                }
                self.of(&group.ast, &mut inner);
            }
            Ast::Repetition(repetition) => self.of(&repetition.ast, blind),
            Ast::Concat(all) => all.asts.iter().for_each(|ast| self.of(ast, blind)),
            Ast::Alternation(all) => all.asts.iter().for_each(|ast| self.of(ast, blind)),
            Ast::ClassUnicode(class) if *blind => self.unicode(class),
            Ast::ClassBracketed(class) if *blind => self.bracketed(class),
            _ => {}
        }
    }

    fn unicode(&mut self, class: &ClassUnicode) {
        // It is unfolded before it is negated.
        let class = ClassUnicode { negated: false, ..class.clone() };
        self.add(&Ast::ClassUnicode(Box::new(class)));
    }

    fn bracketed(&mut self, class: &ClassBracketed) {
        let plain = ClassBracketed { negated: false, ..class.clone() };
        self.add(&Ast::ClassBracketed(Box::new(plain)));
        self.set(&class.kind);
    }

    /// What is unfolded on its own within a class.
    fn set(&mut self, set: &ClassSet) {
        match set {
            ClassSet::Item(item) => self.item(item),
            ClassSet::BinaryOp(both) => {
                for side in [&both.lhs, &both.rhs] {
                    let alone = ClassBracketed { span: both.span, negated: false, kind: (**side).clone() };
                    self.bracketed(&alone);
                }
            }
        }
    }

    fn item(&mut self, item: &ClassSetItem) {
        match item {
            _ if self.total > MOST => {}
            ClassSetItem::Unicode(class) => self.unicode(class),
            ClassSetItem::Bracketed(class) => self.bracketed(class),
            ClassSetItem::Union(union) => union.items.iter().for_each(|item| self.item(item)),
            _ => {}
        }
    }

    fn add(&mut self, class: &Ast) {
        if self.total > MOST {
            return;
        }
        self.total += EACH;
        let Ok(class) = Translator::new().translate(self.pattern, class) else { return };
        let HirKind::Class(Class::Unicode(class)) = class.kind() else { return };
        let walked = class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end())));
        let walked = walked.filter(|(start, end)| has_case(*start, *end));
        self.total += walked.map(|(start, end)| (end - start) as usize + 1).sum::<usize>();
    }
}

fn change(flags: &Flags, blind: &mut bool) {
    *blind = flags.flag_state(Flag::CaseInsensitive).unwrap_or(*blind);
}

/// Whether any of these characters has another case.
fn has_case(start: u32, end: u32) -> bool {
    static CASED: OnceLock<Vec<(u32, u32)>> = OnceLock::new();
    let cased = CASED.get_or_init(|| {
        let class = regex_syntax::parse(r"\p{Cased}");
        let ranges = class.as_ref().ok().and_then(|class| match class.kind() {
            HirKind::Class(Class::Unicode(class)) => Some(class.ranges()),
            _ => None,
        });
        // Without the table every character counts.
        ranges.map_or_else(
            || vec![(0, u32::MAX)],
            |ranges| ranges.iter().map(|range| (range.start().into(), range.end().into())).collect(),
        )
    });
    let at = cased.partition_point(|(_, last)| *last < start);
    cased.get(at).is_some_and(|(first, _)| *first <= end)
}
