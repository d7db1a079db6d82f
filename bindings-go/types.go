//go:build cgo && linux && amd64

package sinkwell

// The built-in types, for Event.Type. A type of your own is a reverse-DNS name (com.example.refund). What is nearly one of
// these (tool.invoked) is taken as your own, with one warning.
const (
	TypePolicyDecision    = "policy.decision"
	TypePolicyBreach      = "policy.breach"
	TypeIdentityAssertion = "identity.assertion"
	TypeToolInvocation    = "tool.invocation"
	TypeSandboxEvent      = "sandbox.event"
	TypeRunStarted        = "run.started"
	TypeRunProgress       = "run.progress"
	TypeRunCompleted      = "run.completed"
	TypeRunFailed         = "run.failed"
	TypeRunCancelled      = "run.cancelled"
	TypeModelUsage        = "model.usage"
	TypeCostEstimated     = "cost.estimated"
	TypeCostCorrected     = "cost.corrected"
	TypeLogRecord         = "log.record"
	TypeSpan              = "span"
	TypeCoverage          = "coverage"
)
