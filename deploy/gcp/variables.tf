variable "project" {
  description = "ID of the Google Cloud project that all of this goes into."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project's ID has 6 to 30 small letters, digits and hyphens, and begins with a letter. `gcloud projects list` shows yours."
  }
}

variable "region" {
  description = "Where everything runs and is stored."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region is written like us-central1. `gcloud run regions list` shows them."
  }
}

variable "name" {
  description = "What the names of all resources begin with."
  type        = string
  default     = "emotion"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}[a-z0-9]$", var.name))
    error_message = "A name has 3 to 19 small letters, digits and hyphens: service accounts' names are short."
  }
}

variable "image_tag" {
  description = "Tag of the images server, app and pipeline in the registry that this makes."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "Name a tag that stays what it is, such as a version or a commit, and not latest: Cloud Run would not notice a new image."
  }
}

variable "server" {
  description = <<-EOT
    Size of the server. cpus and memory are an instance's; concurrency is how many requests one
    answers at a time; min_instances 0 costs nothing while nobody asks, and the first to ask waits
    for a start. poll_seconds is how often the bucket is looked at for a new model: each look is a
    paid request.
  EOT
  type = object({
    cpus          = optional(number, 1)
    memory        = optional(string, "2Gi")
    concurrency   = optional(number, 64)
    min_instances = optional(number, 0)
    max_instances = optional(number, 4)
    poll_seconds  = optional(number, 30)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains([1, 2, 4, 6, 8], var.server.cpus)
    error_message = "Cloud Run gives 1, 2, 4, 6 or 8 CPUs."
  }
  validation {
    condition     = can(regex("^[1-9][0-9]*(Mi|Gi)$", var.server.memory)) && !can(regex("^[0-9]{1,3}Mi$", var.server.memory))
    error_message = "Memory is written like 2Gi. The server takes up to 650 MiB, and as much again for large requests: give it 1Gi or more."
  }
  validation {
    condition     = var.server.concurrency >= 1 && var.server.concurrency <= 1000
    error_message = "Cloud Run sends an instance 1 to 1000 requests at a time."
  }
  validation {
    condition     = var.server.min_instances >= 0 && var.server.max_instances >= max(1, var.server.min_instances)
    error_message = "min_instances must be 0 or more, and max_instances no less than it."
  }
  validation {
    condition     = var.server.poll_seconds >= 1
    error_message = "Looking at a bucket more than once a second only costs."
  }
}

variable "server_ingress" {
  description = "Where requests to the server may come from: internal (the project's networks, and so the web app) or all. Either way only those with permission are answered."
  type        = string
  default     = "internal"

  validation {
    condition     = contains(["internal", "all"], var.server_ingress)
    error_message = "Choose internal or all."
  }
}

variable "server_invokers" {
  description = "Who else may ask the server, besides the web app, as in user:name@example.org or serviceAccount:name@project.iam.gserviceaccount.com. From outside the project's networks they need server_ingress = \"all\" too."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.server_invokers : can(regex("^(user|group|domain|serviceAccount|principal|principalSet):", each))])
    error_message = "Write members as user:..., group:..., domain:... or serviceAccount:... The server is never opened to everyone."
  }
}

variable "app_access" {
  description = "Who may open the web app: iam (those in app_users, through `gcloud run services proxy`), iap (those in app_users, in any browser, after Google's sign-in) or public (anyone on the internet)."
  type        = string
  default     = "iam"

  validation {
    condition     = contains(["iam", "iap", "public"], var.app_access)
    error_message = "Choose iam, iap or public."
  }
}

variable "app_users" {
  description = "Who may open the web app, as in user:name@example.org; of no effect if it is public."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.app_users : can(regex("^(user|group|domain|serviceAccount|principal|principalSet):", each))])
    error_message = "Write members as user:..., group:..., domain:... or serviceAccount:... To open the app to everyone, say so: app_access = \"public\"."
  }
}

variable "app_max_instances" {
  description = "Most instances of the web app."
  type        = number
  default     = 2

  validation {
    condition     = var.app_max_instances >= 1
    error_message = "Allow 1 or more."
  }
}

variable "api_key" {
  description = "Whether the server also wants an API key, whose value is put into the secret that this makes before the services start. It shuts the metrics off too, so managed_prometheus must be off."
  type        = bool
  default     = false

  validation {
    condition     = !(var.api_key && var.managed_prometheus)
    error_message = "The collector of metrics cannot show a key: set managed_prometheus = false, or leave the key out. Without a key, too, only those with permission reach the server."
  }
}

variable "managed_prometheus" {
  description = "Whether a collector beside the server sends its metrics to Google's managed Prometheus."
  type        = bool
  default     = true
}

variable "log_answered_requests" {
  description = "Whether requests that the server answered well are logged, twice: by Cloud Run and by the server. Logs cost by size."
  type        = bool
  default     = false
}

variable "alert_email" {
  description = "Where alerts go; without it there are none."
  type        = string
  default     = null

  validation {
    condition     = var.alert_email == null || can(regex("^[^@ ]+@[^@ ]+$", var.alert_email))
    error_message = "Write an address like name@example.org."
  }
}

variable "budget" {
  description = "Tells those who pay when this project's spending in a month nears an amount. It stops nothing. currency is the billing account's; without it, that is assumed."
  type = object({
    billing_account = string
    amount          = number
    currency        = optional(string)
  })
  default = null

  validation {
    condition     = var.budget == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account))
    error_message = "A billing account is written like 012345-6789AB-CDEF01. `gcloud billing accounts list` shows yours."
  }
  validation {
    condition     = try(var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount, true)
    error_message = "The amount is a whole number, 1 or more."
  }
}

variable "training" {
  description = "Makes a job that trains on `data`, a CSV or a folder of them in the bucket, and pushes the model if it is good enough. With a schedule (cron) it runs by itself."
  type = object({
    data      = optional(string, "data/train.csv")
    schedule  = optional(string)
    time_zone = optional(string, "Etc/UTC")
    cpus      = optional(number, 4)
    memory    = optional(string, "8Gi")
  })
  default = null

  validation {
    condition     = try(length(split(" ", var.training.schedule)) == 5, true)
    error_message = "A schedule has five fields, as in `0 3 * * 1` for Mondays at three."
  }
  validation {
    condition     = try(!startswith(var.training.data, "/"), true)
    error_message = "Name the data by its path in the bucket, without a slash in front."
  }
}

variable "deletion_protection" {
  description = "Whether services and models are kept from being deleted by accident. Turn it off, and apply, before `terraform destroy`."
  type        = bool
  default     = true
}
