{{- define "imgsrv.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "imgsrv.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "imgsrv.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "imgsrv.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "imgsrv.selector" -}}
app.kubernetes.io/name: {{ include "imgsrv.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "imgsrv.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "imgsrv.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "imgsrv.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "imgsrv.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* What the schema cannot say: values that contradict each other. */ -}}
{{- define "imgsrv.check" -}}
{{- $auto := .Values.autoscaling -}}
{{- if $auto.enabled -}}
{{- if gt (int $auto.minReplicas) (int $auto.maxReplicas) -}}
{{- fail (printf "autoscaling.minReplicas is %v and autoscaling.maxReplicas is %v: the least must not be above the most" $auto.minReplicas $auto.maxReplicas) -}}
{{- end -}}
{{- if not (or $auto.cpuPercent $auto.queueWaitMs) -}}
{{- fail "autoscaling.enabled needs something to scale by: set autoscaling.cpuPercent, autoscaling.queueWaitMs, or both" -}}
{{- end -}}
{{- if and $auto.cpuPercent (not (dig "requests" "cpu" "" .Values.resources)) -}}
{{- fail "autoscaling.cpuPercent is a part of resources.requests.cpu, which is missing: set it, or set autoscaling.cpuPercent to 0" -}}
{{- end -}}
{{- end -}}
{{- $least := ternary $auto.minReplicas .Values.replicas $auto.enabled -}}
{{- if and .Values.disruptionBudget.enabled (not (kindIs "string" .Values.disruptionBudget.maxUnavailable)) -}}
{{- if ge (int .Values.disruptionBudget.maxUnavailable) (max 2 (int $least)) -}}
{{- fail (printf "disruptionBudget.maxUnavailable is %v and there may be only %v pods: all of them could be taken away at once; lower it" .Values.disruptionBudget.maxUnavailable $least) -}}
{{- end -}}
{{- end -}}
{{- if and (eq (toString .Values.workers) "max") (not (dig "limits" "cpu" "" .Values.resources)) (not .Values.nodeSelector) -}}
{{- fail "workers is `max`, which is one for each core that the pod may use, and resources.limits.cpu is missing: the pod would take a whole node; set the limit, or choose nodes for it with nodeSelector" -}}
{{- end -}}
{{- range $name := list "host" "port" "workers" "metrics_listen" "shutdown_delay_s" "drain_s" "runtime_dir" "log_format" -}}
{{- if hasKey $.Values.settings $name -}}
{{- fail (printf "settings.%s is set by the chart itself: use the value of the chart for it (workers, service.port, metrics.port, shutdownDelaySeconds, drainSeconds), or leave it out" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.secretSettings -}}
{{- if hasKey $.Values.settings $name -}}
{{- fail (printf "%s is in settings and in secretSettings: leave it in one of them" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
