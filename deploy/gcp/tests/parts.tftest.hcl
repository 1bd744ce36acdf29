mock_provider "google" {
  mock_resource "google_cloud_run_v2_job" {
    defaults = { id = "projects/some-project/locations/us-central1/jobs/emotion-training" }
  }
}

variables {
  project   = "some-project"
  image_tag = "1.0"
}

run "the_server_serves_the_bucket_and_says_truly_when_it_is_ready" {
  assert {
    condition     = google_cloud_run_v2_service.server.template[0].volumes[0].gcs[0].read_only
    error_message = "The server can write to the bucket."
  }
  assert {
    condition     = strcontains(join(" ", google_cloud_run_v2_service.server.template[0].containers[0].args), "--model-base /bucket/models/emotion --poll-seconds 30")
    error_message = "It does not watch the bucket."
  }
  assert {
    condition     = google_cloud_run_v2_service.server.template[0].containers[0].startup_probe[0].http_get[0].path == "/v2/health/ready"
    error_message = "It gets requests before a model serves."
  }
  assert {
    condition     = google_cloud_run_v2_service.server.template[0].containers[0].liveness_probe[0].http_get[0].path == "/v2/health/live"
    error_message = "It would be ended for having no model."
  }
}

run "the_app_asks_the_server_as_itself" {
  assert {
    condition     = one([for each in google_cloud_run_v2_service.app.template[0].containers[0].env : each.value if each.name == "EMOTION_SERVER"]) == google_cloud_run_v2_service.server.uri
    error_message = "The app asks another server."
  }
  assert {
    condition     = one([for each in google_cloud_run_v2_service.app.template[0].containers[0].env : each.value if each.name == "EMOTION_GOOGLE_IDENTITY"]) == "true"
    error_message = "The app does not say who it is."
  }
}

run "the_collector_reads_the_servers_metrics" {
  assert {
    condition     = google_cloud_run_v2_service.server.template[0].containers[1].depends_on == tolist(["server"])
    error_message = "It starts before the server."
  }
  assert {
    condition     = yamldecode(google_secret_manager_secret_version.collector[0].secret_data).spec.endpoints[0].path == "/monitoring/prometheus/metrics"
    error_message = "It looks elsewhere."
  }
}

run "the_collector_can_be_left_out" {
  variables {
    managed_prometheus = false
    alert_email        = "a@example.org"
  }
  assert {
    condition     = length(google_cloud_run_v2_service.server.template[0].containers) == 1 && length(google_secret_manager_secret.collector) == 0
    error_message = "Something of it is left."
  }
  assert {
    condition     = keys(google_monitoring_alert_policy.server) == ["answers slowly", "answers with errors"]
    error_message = "There are alerts about metrics that nobody collects."
  }
}

run "a_key_goes_to_the_server_and_the_app" {
  variables {
    api_key            = true
    managed_prometheus = false
  }
  assert {
    condition = alltrue([
      for service in [google_cloud_run_v2_service.server, google_cloud_run_v2_service.app] :
      anytrue([for each in service.template[0].containers[0].env : each.name == "EMOTION_API_KEY" && try(each.value_source[0].secret_key_ref[0].secret, "") == "emotion-api-key"])
    ])
    error_message = "One of them does not know it."
  }
}

run "no_key_beside_the_collector" {
  command = plan
  variables {
    api_key = true
  }
  expect_failures = [var.api_key]
}

run "alerts_and_budget_are_off_by_default" {
  assert {
    condition     = length(google_monitoring_alert_policy.server) + length(google_monitoring_notification_channel.email) + length(google_billing_budget.this) == 0
    error_message = "They are not."
  }
}

run "alerts_and_budget" {
  variables {
    alert_email = "a@example.org"
    budget      = { billing_account = "012345-6789AB-CDEF01", amount = 20 }
  }
  assert {
    condition     = length(google_monitoring_alert_policy.server) == 4
    error_message = "Some alerts are missing."
  }
  assert {
    condition     = google_billing_budget.this[0].amount[0].specified_amount[0].units == "20"
    error_message = "It is another amount."
  }
}

run "no_training_by_default" {
  assert {
    condition     = length(google_cloud_run_v2_job.training) + length(google_cloud_scheduler_job.training) + length(google_service_account.training) == 0
    error_message = "Something trains."
  }
}

run "training_on_demand" {
  variables {
    training = {}
  }
  assert {
    condition     = length(google_cloud_run_v2_job.training) == 1 && length(google_cloud_scheduler_job.training) == 0
    error_message = "Without a schedule it must wait to be started."
  }
  assert {
    condition     = google_cloud_run_v2_job.training[0].template[0].template[0].containers[0].args == tolist(["/bucket/data/train.csv", "/bucket"])
    error_message = "It trains on something else."
  }
}

run "training_on_a_schedule" {
  variables {
    training = { schedule = "0 3 * * 1" }
  }
  assert {
    condition     = google_cloud_scheduler_job.training[0].http_target[0].uri == "https://run.googleapis.com/v2/projects/some-project/locations/us-central1/jobs/emotion-training:run"
    error_message = "The schedule starts something else."
  }
}

run "bad_values_are_refused_before_anything_is_made" {
  command = plan
  variables {
    project        = "Some Project"
    region         = "everywhere"
    name           = "x"
    image_tag      = "latest"
    server         = { cpus = 3, memory = "512Mi", concurrency = 0, max_instances = 0, poll_seconds = 0 }
    server_ingress = "some"
    app_access     = "open"
    alert_email    = "nobody"
    budget         = { billing_account = "mine", amount = 0.5 }
    training       = { data = "/data", schedule = "weekly" }
  }
  expect_failures = [
    var.project, var.region, var.name, var.image_tag, var.server, var.server_ingress,
    var.app_access, var.alert_email, var.budget, var.training,
  ]
}

run "only_errors_are_logged" {
  assert {
    condition     = strcontains(google_logging_project_exclusion.answered_requests[0].filter, "httpRequest.status<400 OR jsonPayload.status<400")
    error_message = "Other requests are left out."
  }
}

run "every_request_is_logged_if_asked_for" {
  variables {
    log_answered_requests = true
  }
  assert {
    condition     = length(google_logging_project_exclusion.answered_requests) == 0
    error_message = "Some are left out."
  }
}
