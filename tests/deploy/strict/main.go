// Command strict reads Kubernetes manifests from standard input and decodes each into its own Go type of k8s.io/api,
// without unknown or repeated fields.  It prints the kind and name of each, or what is wrong and ends with status 1.
//
//	helm template trial ../../../deploy/helm/imgsrv | go run .
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	if err := check(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(in io.Reader, out io.Writer) error {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(in))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := one(decoder, document, out); err != nil {
			return err
		}
	}
}

func one(decoder runtime.Decoder, document []byte, out io.Writer) error {
	object, kind, err := decoder.Decode(document, nil, nil)
	switch {
	case runtime.IsMissingKind(err):
		return nil // comments only
	case runtime.IsNotRegisteredError(err):
		_, err = fmt.Fprintf(out, "not of Kubernetes: %v\n", err)
		return err
	case err != nil:
		return fmt.Errorf("%w in\n%s", err, document)
	}
	named, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s %s\n", kind.Kind, named.GetName())
	return err
}
