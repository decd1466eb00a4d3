# The catalogue in which the project is written. Every other one says the same messages with the same values.

decimal-sign = .
percent = { $number }%
moment = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
} { $year }, { $time } UTC

# On every page
research-only = Research use only: not a diagnosis
clock-not-trusted = The date may be wrong
case = Case { $number }
back = Back
next = Next
close = Close
lock = Lock
yes = Yes
no = No
cancel = Cancel

# The keyboard
key-space = Space
key-erase = Erase
key-shift = Aa
key-more = More
key-done = Done

# Lock
lock-title = Who are you?
lock-pin = PIN of the { $role }
lock-starting = The device is starting
lock-trying = The PIN is being checked
role-operator = Operator
role-reviewer = Reviewer
role-administrator = Administrator

# Home
home-cases = Today
home-no-cases = No case today
home-new = New case
home-settings = Settings
home-device = Device
home-control-case = Control case
progress-draft = being prepared
progress-queued = waiting
progress-assessed = result
progress-refused = refused
progress-set-aside = set aside
progress-reviewed = reviewed
progress-exported = exported

# A new case
form-title = New case
form-first = First identifier
form-second = Second identifier
form-first-hint = Number on the request, or the scanned code
form-second-hint = Name or date of birth
form-age = Age in years
form-sex = Sex
form-smoking = Smoking
form-specimen = Specimen
form-required = needed
form-unknown = not known
form-open = Open the case
form-female = female
form-male = male
form-never = never
form-former = former
form-current = current
form-biopsy = biopsy
form-cytology = cytology
form-resection = resection
form-age-wrong = An age is between 0 and 120
form-same = The two identifiers are the same
form-long = An identifier has at most 64 characters

# A result. "Normal" is never said alone: see result-normal.
result-favours = The evidence favours: { $class } ({ $share })
result-normal = No tumour pattern in these images ({ $share }); does not exclude cancer
result-figures = Figures
result-looked = Where it looked
result-limits = Limits ({ $count })
result-opinion = Your opinion
result-export = Export
result-weakened = { $count ->
    [0] Nothing is known that weakens this result
    [one] One thing weakens this result: read it
   *[other] { $count } things weaken this result: read them
}
class-adenocarcinoma = adenocarcinoma
class-squamous = squamous cell carcinoma
class-large-cell = large cell carcinoma
class-nsclc-nos = NSCLC-NOS, large-cell pattern
class-small-cell = small cell carcinoma
class-normal = no tumour pattern
branch-fused = both
branch-ct = CT
branch-he = H&E
weights = The CT counts { $ct }, the slide { $he }
weights-compared = Age, sex and smoking let the CT count { $ct } and the slide { $he }; without them the CT would count { $without }
weights-ct-alone = There is no slide: the CT alone was read
weights-he-alone = There is no CT: the slide alone was read
looked-none = No explanation was made
looked-faithful = Checked: without what is marked, the result changes
looked-unchecked = Not checked: it may not show what mattered
looked-unreliable = No reliable explanation
looked-caption = Where the model looked, not where a tumour is

# A refusal
refused-title = These images must not be scored
refused-why = Why
refused-next = What to do
set-aside-why = The device failed twice at this case. It is kept, and is not tried again by itself.

# The CT
ct-looking = The share is being looked through
ct-none = No CT of this patient waits on the share
ct-slices = { $count ->
    [one] one slice
   *[other] { $count } slices
}
ct-other-id = This CT says the Patient ID { $found }. The case is of { $case }. It may be another patient's.
ct-same-patient = It is the same patient's
ct-axial = Axial
ct-coronal = Coronal
ct-sagittal = Sagittal
ct-lung = Lung
ct-mediastinum = Mediast.
ct-next-candidate = Suggestion
ct-set-lesion = This is it
