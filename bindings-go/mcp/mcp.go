// Package mcp has calls of the Model Context Protocol made as deeds, at the server and at the client, by
// github.com/modelcontextprotocol/go-sdk.
//
//	sinkmcp.WatchServer(server, sw) // before sessions begin
//	sinkmcp.WatchClient(client, sw)
//
// A call reaches the tool only once its intent is safe (docs/DEEDS.md). Where governance requires a sink that is down, a server
// answers with an error of the protocol, and a client's CallTool returns sinkwell.ErrRequiredSinkUnavailable: the tool does not
// run. Arguments and results become content parts. What a person is asked (elicitation), and answers, is a policy.decision. The
// caller's run, and what caused the call, cross to the server in params._meta, beside the W3C trace context.
package mcp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	sinkwell "sinkwell.dev/go"
)

const (
	metaRun       = "dev.sinkwell/run"
	metaCausation = "dev.sinkwell/causation"
	sdk           = "github.com/modelcontextprotocol/go-sdk"
	elicitation   = "elicitation/create"
)

// Watching is one server or client that is watched.
type Watching struct {
	emitter *sinkwell.Emitter
	seam    string
	permit  string
	terms   sinkwell.DeedTerms
	since   string
	stopped atomic.Bool
}

// Option is one of WatchServer's and WatchClient's.
type Option func(*Watching)

// WithPermit is the most that arguments and results may be captured: off (the default), redacted_summary, content_ref or raw,
// as that of a content part.
func WithPermit(mode string) Option { return func(w *Watching) { w.permit = mode } }

// WithTerms say what each call's deed waits for.
func WithTerms(terms sinkwell.DeedTerms) Option { return func(w *Watching) { w.terms = terms } }

// WatchServer makes each tools/call, prompts/get and resources/read that the server answers a deed, until Stop.
func WatchServer(server *mcp.Server, emitter *sinkwell.Emitter, options ...Option) *Watching {
	w := watch("mcp.server", emitter, options)
	server.AddReceivingMiddleware(w.answers)
	server.AddSendingMiddleware(w.asks)
	return w
}

// WatchClient makes each tools/call that the client asks for a deed, until Stop.
func WatchClient(client *mcp.Client, emitter *sinkwell.Emitter, options ...Option) *Watching {
	w := watch("mcp.client", emitter, options)
	client.AddSendingMiddleware(w.calls)
	client.AddReceivingMiddleware(w.asks)
	return w
}

func watch(seam string, emitter *sinkwell.Emitter, options []Option) *Watching {
	w := &Watching{emitter: emitter, seam: seam, since: newID()}
	for _, option := range options {
		option(w)
	}
	w.cover("watching", sinkwell.Event{ID: w.since})
	return w
}

// Stop seals that calls are watched no longer, and lets them pass.
func (w *Watching) Stop() {
	if !w.stopped.Swap(true) {
		w.cover("stopped", sinkwell.Event{Causation: w.since})
	}
}

// cover seals from when to when the seam is watched. What cannot be sealed the core counts, and tells the logger.
func (w *Watching) cover(state string, event sinkwell.Event) {
	event.Type = sinkwell.TypeCoverage
	event.Attrs = []sinkwell.Attr{
		sinkwell.String("seam", w.seam), sinkwell.String("package", sdk), sinkwell.String("version", version()),
		sinkwell.String("state", state),
	}
	_, _ = w.emitter.Emit(context.Background(), event)
}

// version is the SDK's, as the program was built with it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == sdk {
				return module.Version
			}
		}
	}
	return "unknown"
}

func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

func unixNano() string { return strconv.FormatInt(time.Now().UnixNano(), 10) }

// answering is the call that a server answers.
type answering struct {
	id, tool string
	denied   atomic.Bool
}

type answeringKey struct{}

// answers is a server's receiving middleware.
func (w *Watching) answers(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
		step := w.step(method)
		params := request.GetParams()
		var tool string
		var responses mcp.InputResponseMap
		switch p := params.(type) {
		case *mcp.CallToolParamsRaw:
			step.Name, tool, responses = p.Name, p.Name, p.InputResponses
			if len(p.Arguments) > 0 {
				step.Input = p.Arguments
			}
		case *mcp.GetPromptParams:
			tool, responses = method, p.InputResponses
			step.Attributes["gen_ai.prompt.name"] = p.Name
			if len(p.Arguments) > 0 {
				step.Input = p.Arguments
			}
		case *mcp.ReadResourceParams:
			tool, responses, step.Input = method, p.InputResponses, p.URI
		default:
			return next(ctx, method, request)
		}
		if w.stopped.Load() {
			return next(ctx, method, request)
		}
		if session := request.GetSession(); session != nil && session.ID() != "" {
			step.Attributes["mcp.session.id"] = session.ID()
		}
		meta := params.GetMeta()
		step.Run, step.Causation = idOf(meta[metaRun]), idOf(meta[metaCausation])
		if trace := sinkwell.TraceOf(ctx); trace.TraceID != "" {
			traced(&step, trace)
		} else {
			traced(&step, traceOfMeta(meta))
		}
		began := false
		var result mcp.Result
		err := w.emitter.DeedOfStep(ctx, step, func(ctx context.Context, call *sinkwell.StepCall) error {
			began = true
			here := &answering{id: call.ID(), tool: tool}
			// The answers to what was asked when this call was made before.
			for _, response := range responses {
				if answer, ok := response.(*mcp.ElicitResult); ok {
					w.decided(ctx, here, answerOf(answer), "")
				}
			}
			var err error
			result, err = next(context.WithValue(ctx, answeringKey{}, here), method, request)
			if failed := told(call, result, err); failed && here.denied.Load() {
				call.Refused()
			}
			return err
		}, w.terms)
		var refused *sinkwell.Error
		if !began && errors.As(err, &refused) {
			data, _ := json.Marshal(map[string]string{"kind": string(refused.Kind)})
			return nil, &jsonrpc.Error{
				Code: jsonrpc.CodeInternalError, Message: "the call was not made: " + refused.Error(), Data: data,
			}
		}
		return result, err
	}
}

// calls is a client's sending middleware.
func (w *Watching) calls(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
		params, ok := request.GetParams().(*mcp.CallToolParams)
		if !ok || method != "tools/call" || w.stopped.Load() {
			return next(ctx, method, request)
		}
		step := w.step(method)
		step.Name, step.Run = params.Name, sinkwell.RunOf(ctx)
		step.Input = params.Arguments
		trace := sinkwell.TraceOf(ctx)
		if trace.TraceID == "" {
			trace = traceFor(step.Run, step.ID)
		}
		traced(&step, trace)
		var result mcp.Result
		err := w.emitter.DeedOfStep(ctx, step, func(ctx context.Context, call *sinkwell.StepCall) error {
			meta := map[string]any{"traceparent": fmt.Sprintf("00-%s-%s-%02x", trace.TraceID, trace.SpanID, trace.Flags)}
			if trace.State != "" {
				meta["tracestate"] = trace.State
			}
			maps.Copy(meta, params.GetMeta())
			meta[metaCausation] = call.ID()
			if step.Run != "" {
				meta[metaRun] = step.Run
			}
			// The caller's own stay as they are.
			sent := *params
			sent.SetMeta(meta)
			session, _ := request.GetSession().(*mcp.ClientSession)
			var err error
			result, err = next(ctx, method, &mcp.ClientRequest[*mcp.CallToolParams]{Session: session, Params: &sent})
			told(call, result, err)
			return err
		}, w.terms)
		return result, err
	}
}

// asks is a middleware, a server's for what it sends and a client's for what it receives, that tells of what a person is asked.
// Since protocol 2026-07-28 a server asks by a call's result instead, and is told the answer when the call is made again.
func (w *Watching) asks(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
		params, ok := request.GetParams().(*mcp.ElicitParams)
		if !ok || method != elicitation || w.stopped.Load() {
			return next(ctx, method, request)
		}
		here, _ := ctx.Value(answeringKey{}).(*answering)
		w.decided(ctx, here, "ask", params.Message)
		result, err := next(ctx, method, request)
		answer := "indeterminate"
		if result, ok := result.(*mcp.ElicitResult); ok && err == nil {
			answer = answerOf(result)
		}
		w.decided(ctx, here, answer, "")
		return result, err
	}
}

func answerOf(result *mcp.ElicitResult) string {
	switch result.Action {
	case "accept":
		return "allow"
	case "decline", "cancel":
		return "deny"
	}
	return "indeterminate"
}

func (w *Watching) decided(ctx context.Context, here *answering, decision, message string) {
	step := w.step(elicitation)
	step.Kind, step.Name, step.Decision, step.Run = "decision", "elicitation", decision, sinkwell.RunOf(ctx)
	step.StartUnixNano = unixNano()
	step.EndUnixNano = step.StartUnixNano
	if here != nil {
		step.Parent = here.id
		step.Attributes["gen_ai.tool.name"] = here.tool
		if decision == "deny" {
			here.denied.Store(true)
		}
	}
	if message != "" {
		step.Content = []sinkwell.Part{{Class: "message", MediaType: "text/plain", Text: message, Permit: w.permit}}
	}
	traced(&step, sinkwell.TraceOf(ctx))
	// An integration never breaks what it watches; of what is refused the core counts, and tells the logger.
	_, _ = w.emitter.EmitStep(ctx, step)
}

func (w *Watching) step(method string) sinkwell.Step {
	return sinkwell.Step{ID: newID(), Permit: w.permit, Attributes: map[string]any{"mcp.method.name": method}}
}

// told says how a call ended, and whether it failed.
func told(call *sinkwell.StepCall, result mcp.Result, err error) (failed bool) {
	if err != nil {
		return true
	}
	end := sinkwell.StepEnd{Outcome: "ok"}
	if result, ok := result.(*mcp.CallToolResult); ok {
		if len(result.InputRequests) > 0 {
			// It has not run: a person is asked first, and the client calls again with the answer.
			end.Outcome = "asked"
		}
		if result.IsError {
			end.Outcome, failed = "error", true
		}
	}
	// As it crosses, but for what is not the tool's.
	if text, err := json.Marshal(result); err == nil {
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) == nil {
			delete(members, "_meta")
			delete(members, "resultType")
			end.Output = members
		}
	}
	call.Ended(end)
	return failed
}

func traced(step *sinkwell.Step, trace sinkwell.TraceContext) {
	step.TraceID, step.SpanID, step.Flags, step.State = trace.TraceID, trace.SpanID, trace.Flags, trace.State
}

var (
	idForm    = regexp.MustCompile(`^[ -~]{1,128}$`)
	traceForm = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)`)
	zeros     = regexp.MustCompile(`^0+$`)
)

// idOf is an id that another process sent, if it can be one.
func idOf(value any) string {
	if text, ok := value.(string); ok && idForm.MatchString(text) {
		return text
	}
	return ""
}

// traceFor is a trace context where the program has none: one trace for each run.
func traceFor(run, id string) sinkwell.TraceContext {
	if run == "" {
		run = id
	}
	trace, span := sha256.Sum256([]byte(run)), sha256.Sum256([]byte(id))
	return sinkwell.TraceContext{TraceID: hex.EncodeToString(trace[:16]), SpanID: hex.EncodeToString(span[:8])}
}

// traceOfMeta is the W3C trace context that a request brought.
func traceOfMeta(meta map[string]any) sinkwell.TraceContext {
	text, _ := meta["traceparent"].(string)
	if len(text) > 256 {
		return sinkwell.TraceContext{}
	}
	found := traceForm.FindStringSubmatch(text)
	if found == nil || found[1] == "ff" || zeros.MatchString(found[2]) || zeros.MatchString(found[3]) {
		return sinkwell.TraceContext{}
	}
	flags, _ := strconv.ParseUint(found[4], 16, 8)
	trace := sinkwell.TraceContext{TraceID: found[2], SpanID: found[3], Flags: byte(flags)}
	if state, ok := meta["tracestate"].(string); ok && len(state) <= 512 {
		trace.State = state
	}
	return trace
}
