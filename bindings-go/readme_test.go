package sinkwell_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The lines of README.md, compiled as they stand there.

// block is the first block of a language under a heading of README.md.
func block(t *testing.T, heading, language string) string {
	t.Helper()
	_, rest, found := strings.Cut(readme(t), "\n## "+heading+"\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	_, rest, inside := strings.Cut(rest, "```"+language+"\n")
	code, _, ended := strings.Cut(rest, "```")
	if !found || !inside || !ended {
		t.Fatalf("README.md has no %s under %q", language, heading)
	}
	return code
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ranIn runs a command in a folder, and fails the test with what it said.
func ranIn(t *testing.T, dir, name string, arguments ...string) string {
	t.Helper()
	command := exec.Command(name, arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// module is an empty project in which this folder stands where the archive would.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(here, filepath.Join(dir, "sinkwell-go")); err != nil {
		t.Fatal(err)
	}
	ranIn(t, dir, "go", "mod", "init", "example.com/first")
	_, install, _ := strings.Cut(block(t, "Install", "sh"), "\n")
	ranIn(t, dir, "sh", "-ec", install)
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheReadmesFirstEventRuns(t *testing.T) {
	dir := module(t)
	write(t, dir, "main.go", block(t, "First event", "go"))
	config := block(t, "First event", "yaml")
	key := regexp.MustCompile(`(?m)^key: .*$`)
	if !key.MatchString(config) {
		t.Fatal(config)
	}
	// Keys are made by the command, which is not here.
	write(t, dir, "sinkwell.yaml", key.ReplaceAllString(config, ""))
	ranIn(t, dir, "go", "run", ".")
	events, err := os.ReadFile(filepath.Join(dir, "events.ndjson"))
	if err != nil || !strings.Contains(string(events), `"tool":"search"`) {
		t.Fatalf("%s %v", events, err)
	}
}

func TestTheLinesOfTheFrontPageRun(t *testing.T) {
	front, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, found := strings.Cut(string(front), "```go\n")
	imported, line, cut := strings.Cut(lines, "\n")
	line, _, _ = strings.Cut(line, "\n```")
	if !found || !cut {
		t.Fatal(lines)
	}
	dir := module(t)
	write(t, dir, "main.go", fmt.Sprintf(`package main

%s
import "context"

func main() {
	ctx := context.Background()
	defer sinkwell.Close(ctx)
	%s
}
`, imported, line))
	write(t, dir, "sinkwell.yaml", "agent: { id: a1 }\nlanes: [ { sink: { file: { path: events.ndjson } } } ]\n")
	t.Setenv("SINKWELL_CONFIG", filepath.Join(dir, "sinkwell.yaml"))
	ranIn(t, dir, "go", "run", ".")
	events, err := os.ReadFile(filepath.Join(dir, "events.ndjson"))
	if err != nil || !strings.Contains(string(events), `"tool":"search"`) {
		t.Fatalf("%s %v", events, err)
	}
}

// spans are README.md's code within sentences that speaks of this package.
var spans = regexp.MustCompile("`([^`\n]+)`")

// What a sentence leaves out, and what it speaks of as a type.
var (
	elided = map[string]string{"…": `sinkwell.Event{Type: "com.example.x"}`}
	types  = map[string]bool{"sinkwell.Text": true, "sinkwell.Error": true}
)

func TestTheReadmesSentencesCompile(t *testing.T) {
	dir := module(t)
	ranIn(t, dir, "sh", "-ec", strings.SplitAfter(block(t, "OpenTelemetry", "sh"), "\n")[0])
	var lines []string
	prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(readme(t), "")
	for _, found := range spans.FindAllStringSubmatch(prose, -1) {
		code := found[1]
		for what, instead := range elided {
			code = strings.ReplaceAll(code, what, instead)
		}
		expression, err := parser.ParseExpr(code)
		if err != nil || !ours(expression) {
			continue
		}
		code = strings.TrimPrefix(code, "*")
		if types[code] {
			lines = append(lines, "var _ *"+code)
		} else {
			lines = append(lines, "use("+code+")")
		}
	}
	// Of so many it is sure that the search still finds them.
	if len(lines) < 10 {
		t.Fatal(lines)
	}
	write(t, dir, "main.go", fmt.Sprintf(`package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	sinkwell "sinkwell.dev/go"
	"sinkwell.dev/go/otel"
)

func use(...any) {}

func readme(ctx context.Context, sw *sinkwell.Emitter, receipt *sinkwell.Receipt, handler http.Handler,
	sampler sdktrace.Sampler, err error, call func(context.Context) error) {
	use(errors.Is, slog.New, os.Stdin, otel.FromContext)
	%s
}

func main() {}
`, strings.Join(lines, "\n\t")))
	// The versions that the module itself is tested with.
	for _, name := range []string{"go.sum"} {
		text, err := os.ReadFile(filepath.Join("otel", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(text))
	}
	ranIn(t, dir, "go", "vet", ".")
}

// ours says whether an expression speaks of this package, or of a value that README.md calls by a name.
func ours(expression ast.Expr) bool {
	known := map[string]bool{"sinkwell": true, "sw": true, "receipt": true, "sdktrace": true, "otel": true}
	speaks := false
	ast.Inspect(expression, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			name, named := selector.X.(*ast.Ident)
			speaks = speaks || named && known[name.Name] && (name.Name != "sinkwell" || ast.IsExported(selector.Sel.Name) && selector.Sel.Name != "Dev")
		}
		return true
	})
	return speaks
}

func TestOtherBuildsSayWhatIsNeeded(t *testing.T) {
	for _, setting := range []string{"CGO_ENABLED=0", "GOOS=windows", "GOARCH=arm64"} {
		command := exec.Command("go", "build", ".")
		command.Env = append(os.Environ(), setting)
		output, err := command.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		if err == nil || len(lines) != 2 || !strings.Contains(lines[1], "needs_CGO_ENABLED_1_and_a_C_compiler_on_linux_amd64") {
			t.Errorf("%s: %v\n%s", setting, err, output)
		}
	}
}

func TestVendoringTakesHeaderAndLibraryAlong(t *testing.T) {
	dir := module(t)
	write(t, dir, "main.go", block(t, "First event", "go"))
	ranIn(t, dir, "go", "mod", "vendor")
	for _, folder := range []string{"include", "lib/linux_amd64"} {
		if entries, err := os.ReadDir(filepath.Join(dir, "vendor", "sinkwell.dev", "go", folder)); err != nil || len(entries) == 0 {
			t.Error(folder, err)
		}
	}
}

// docs/FIRST-MINUTES.md: files are written, commands run, and what they print is what stands there, with … for what differs
// from run to run.
func TestTheFirstTenMinutesAreAsTheyAreTold(t *testing.T) {
	page, err := os.ReadFile("../docs/FIRST-MINUTES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Go\n")
	section, _, _ = strings.Cut(section, "\n## ")
	tools, err := filepath.Abs("../target/debug")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(tools, "sinkwell")); err != nil || !found {
		t.Fatal("cargo build -p sinkwell-cli makes the command: ", err)
	}
	dir := module(t)
	ran := 0
	for _, found := range regexp.MustCompile("(?s)```(\\w+)\n(.*?)```").FindAllStringSubmatch(section, -1) {
		if found[1] == "go" {
			name, code, _ := strings.Cut(found[2], "\n")
			write(t, dir, strings.TrimPrefix(name, "// "), code)
			continue
		}
		for _, step := range strings.Split("\n"+found[2], "\n$ ")[1:] {
			line, expected, _ := strings.Cut(step, "\n")
			// What `module` has done.
			if strings.HasPrefix(line, "tar ") || strings.HasPrefix(line, "go mod ") {
				continue
			}
			command := exec.Command("sh", "-c", line)
			command.Dir = dir
			command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "NO_COLOR=1", "PATH="+tools+":"+os.Getenv("PATH"))
			// A verdict that is not good is an exit status, and stands in the page by its words.
			output, _ := command.CombinedOutput()
			pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSuffix(expected, "\n")), "…", ".*")
			if !regexp.MustCompile("^" + pattern + "$").MatchString(strings.TrimSuffix(string(output), "\n")) {
				t.Errorf("$ %s\n%s\nis not\n%s", line, output, expected)
			}
			ran++
		}
	}
	if ran < 8 {
		t.Error(ran, "commands")
	}
}
