//! Tables as LaTeX, for papers: `booktabs` rules, one `table` environment each.

use std::fmt::Write;

use crate::views::table::Table;

/// Characters in a cell beyond which its column is a paragraph.
const LONG: usize = 40;

/// Renders tables one after the other.
pub(crate) fn render(tables: &[Table]) -> String {
    let mut text = String::from("% \\usepackage{booktabs}\n");
    tables.iter().for_each(|table| push(&mut text, table));
    text
}

fn push(text: &mut String, table: &Table) {
    let longest = |column: usize| table.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let paragraphs = (0..table.columns.len()).filter(|column| longest(*column) > LONG).count();
    let kind = |(column, (_, numeric)): (usize, &(String, bool))| match (*numeric, longest(column) > LONG) {
        (true, _) => "r".to_owned(),
        (false, false) => "l".to_owned(),
        (false, true) => format!("p{{{:.2}\\linewidth}}", 0.7 / paragraphs as f64),
    };
    let kinds: String = table.columns.iter().enumerate().map(kind).collect();
    let row = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
    let headings = table.columns.iter().map(|(heading, _)| escape(heading)).collect();
    let _ = write!(
        text,
        "\n\\begin{{table}}\n\\caption{{{}. {}}}\n\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{}\\midrule\n",
        escape(&table.title),
        escape(&table.note),
        row(headings)
    );
    for (cells, reference) in table.rows.iter().zip(&table.reference) {
        let cell = |cell: &String| match escape(cell) {
            cell if *reference && !cell.is_empty() => format!("\\emph{{{cell}}}"),
            cell => cell,
        };
        text.push_str(&row(cells.iter().map(cell).collect()));
    }
    text.push_str("\\bottomrule\n\\end{tabular}\n\\end{table}\n");
}

/// Makes text mean itself in LaTeX; minus signs and dashes become its own.
pub(crate) fn escape(text: &str) -> String {
    let safe = |character: char| match character {
        '\\' => "\\textbackslash{}".to_owned(),
        '~' => "\\textasciitilde{}".to_owned(),
        '^' => "\\textasciicircum{}".to_owned(),
        '&' | '%' | '$' | '#' | '_' | '{' | '}' => format!("\\{character}"),
        '<' => "\\textless{}".to_owned(),
        '>' => "\\textgreater{}".to_owned(),
        '−' => "$-$".to_owned(),
        '–' => "--".to_owned(),
        '\n' | '\r' => " ".to_owned(),
        // A row that begins with a bracket would be taken for the argument of the line break before it.
        '[' => "{[}".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_a_table() {
        let mut table = Table::new("Gain_1", "95 % of it", &["method", "#gain", "why"]);
        table.push(vec!["l2_adam".into(), "−0.1 [−0.2, 0.0]".into(), "a & b ".repeat(9)], false);
        table.push(vec!["reset".into(), "–".into(), String::new()], true);
        let text = render(&[table]);
        assert!(text.contains("\\begin{tabular}{lrp{0.70\\linewidth}}"), "{text}");
        assert!(text.contains("\\caption{Gain\\_1. 95 \\% of it}"), "{text}");
        assert!(text.contains("l2\\_adam & $-$0.1 {[}$-$0.2, 0.0] & a \\& b a"), "{text}");
        assert!(text.contains("\\emph{reset} & \\emph{--} &  \\\\\n\\bottomrule"), "{text}");
    }
}
