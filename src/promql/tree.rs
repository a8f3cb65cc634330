//! The syntax tree.

use super::functions::Function;
use super::labels::Matcher;
use super::position::Span;
pub use super::value_type::Type;

#[derive(Debug, Clone)]
pub struct Expr {
    pub kind: Kind,
    pub span: Span,
    /// Nested expressions, this one included.
    pub height: usize,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Number(f64),
    Text(String),
    Selector(Selector),
    /// A selector with a range.
    Range {
        selector: Selector,
        range_ms: i64,
    },
    Subquery(Box<Subquery>),
    Call {
        function: &'static Function,
        arguments: Vec<Expr>,
    },
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
    Negate(Box<Expr>),
    /// Parentheses, or a plus sign.
    Same(Box<Expr>),
}

#[derive(Debug, Clone)]
pub struct Selector {
    /// That of the metric name is the last one.
    pub matchers: Vec<Matcher>,
    /// Whether the name stands before the braces.
    pub has_name: bool,
    pub shift: Shift,
}

/// `offset` and `@`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shift {
    pub offset_ms: Option<i64>,
    pub at: Option<At>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum At {
    Time(i64),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

#[derive(Debug, Clone)]
pub struct Subquery {
    pub expr: Expr,
    pub range_ms: i64,
    pub step_ms: Option<i64>,
    pub shift: Shift,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    Avg,
    BottomK,
    Count,
    CountValues,
    Group,
    Max,
    Min,
    Quantile,
    Stddev,
    Stdvar,
    Sum,
    TopK,
}

pub const AGGREGATIONS: [(&str, Aggregation); 12] = [
    ("avg", Aggregation::Avg),
    ("bottomk", Aggregation::BottomK),
    ("count", Aggregation::Count),
    ("count_values", Aggregation::CountValues),
    ("group", Aggregation::Group),
    ("max", Aggregation::Max),
    ("min", Aggregation::Min),
    ("quantile", Aggregation::Quantile),
    ("stddev", Aggregation::Stddev),
    ("stdvar", Aggregation::Stdvar),
    ("sum", Aggregation::Sum),
    ("topk", Aggregation::TopK),
];

impl Aggregation {
    /// The type of the parameter before the vector.
    pub fn parameter(self) -> Option<Type> {
        match self {
            Self::BottomK | Self::TopK | Self::Quantile => Some(Type::Scalar),
            Self::CountValues => Some(Type::Text),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Aggregate {
    pub aggregation: Aggregation,
    pub parameter: Option<Expr>,
    pub expr: Expr,
    pub grouping: Grouping,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Unless,
}

impl Operator {
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        )
    }

    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

#[derive(Debug, Clone)]
pub struct Binary {
    pub operator: Operator,
    pub left: Expr,
    pub right: Expr,
    pub is_bool: bool,
    pub matching: Matching,
    /// Where the operator stands.
    pub operator_span: Span,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matching {
    /// `on (…)`; else `ignoring (…)`.
    pub is_on: bool,
    pub labels: Vec<String>,
    pub many: Option<ManySide>,
    /// Labels of the other side that the result gets.
    pub included: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManySide {
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}

impl Expr {
    pub fn new(kind: Kind, span: Span) -> Self {
        let height = 1 + kind.children().iter().map(|child| child.height).max().unwrap_or(0);
        Self { kind, span, height }
    }

    /// Without parentheses and plus signs around it.
    pub fn inner(&self) -> &Self {
        let mut expr = self;
        while let Kind::Same(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }

    pub fn value_type(&self) -> Type {
        match &self.kind {
            Kind::Number(_) => Type::Scalar,
            Kind::Text(_) => Type::Text,
            Kind::Selector(_) | Kind::Aggregate(_) => Type::Vector,
            Kind::Range { .. } | Kind::Subquery(_) => Type::Matrix,
            Kind::Call { function, .. } => function.result,
            Kind::Binary(binary) => match (binary.left.value_type(), binary.right.value_type()) {
                (Type::Scalar, Type::Scalar) => Type::Scalar,
                _ => Type::Vector,
            },
            Kind::Negate(expr) | Kind::Same(expr) => expr.value_type(),
        }
    }
}

impl Kind {
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Number(_) | Self::Text(_) | Self::Selector(_) | Self::Range { .. } => Vec::new(),
            Self::Subquery(subquery) => vec![&subquery.expr],
            Self::Call { arguments, .. } => arguments.iter().collect(),
            Self::Aggregate(aggregate) => {
                aggregate.parameter.iter().chain([&aggregate.expr]).collect()
            }
            Self::Binary(binary) => vec![&binary.left, &binary.right],
            Self::Negate(expr) | Self::Same(expr) => vec![expr],
        }
    }
}
